"""Makes localfunction.onnx: the first checkpoint of fixtures/zoo with its whole
network, weights and all, in a local function.

    python localfunction.py ../../fixtures/zoo/cnn-medium-s20-000.onnx localfunction.onnx
"""
import sys

import onnx
from onnx import helper

model = onnx.load(sys.argv[1])
graph = model.graph
inputs = [v.name for v in graph.input]
outputs = [v.name for v in graph.output]
constants = [helper.make_node("Constant", [], [t.name], value=t) for t in graph.initializer]
network = helper.make_function(
    "test", "Network", inputs, outputs, constants + list(graph.node), list(model.opset_import))
call = helper.make_node("Network", inputs, outputs, domain="test")
whole = helper.make_graph([call], "calls", list(graph.input), list(graph.output))
result = helper.make_model(
    whole, functions=[network], opset_imports=list(model.opset_import) + [helper.make_opsetid("test", 1)])
result.ir_version = model.ir_version
onnx.checker.check_model(result)
onnx.save(result, sys.argv[2])
