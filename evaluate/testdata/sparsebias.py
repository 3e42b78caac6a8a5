"""Makes sparsebias.onnx: the first checkpoint of fixtures/zoo with its last bias
as a sparse initializer, in an operator set that has no ScatterND yet.

    python sparsebias.py ../../fixtures/zoo/cnn-medium-s20-000.onnx sparsebias.onnx
"""
import sys

import numpy as np
import onnx
from onnx import helper, numpy_helper

model = onnx.load(sys.argv[1])
bias = model.graph.initializer[-1]
values = numpy_helper.to_array(bias)
places = numpy_helper.from_array(np.arange(len(values), dtype=np.int64))
model.graph.sparse_initializer.append(
    helper.make_sparse_tensor(numpy_helper.from_array(values, bias.name), places, [len(values)]))
del model.graph.initializer[-1]
model.opset_import[0].version = 10
onnx.checker.check_model(model)
onnx.save(model, sys.argv[2])
