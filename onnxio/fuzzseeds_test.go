package onnxio

// deepSeeds are small models that reach what the ones of seeds do not: each
// has many kinds of one thing.
func deepSeeds() map[string][]byte {
	raw := func(n int) []byte { return appendBytes(nil, tensorRawData, make([]byte, n)) }
	store := func(name string, d DType, n int, dims ...int64) []byte {
		return sub(graphInitializer, tensorOf(name, d, dims, raw(n)))
	}
	typed := func(name string, typ []byte) []byte { return sub(graphInput, str(portName, name), sub(portType, typ)) }
	element := func(d DType) []byte {
		return sub(typeTensor, num(tensorTypeElement, int64(d)), sub(tensorTypeShape, sub(shapeDim, num(dimValue, 2)), sub(shapeDim, str(dimParam, "n")), sub(shapeDim)))
	}
	ref := func(name, reference string, kind int64) []byte {
		return attr(name, kind, str(attrReference, reference))
	}
	inFunction := func(op, inputs, output string, more ...[]byte) []byte {
		c := cursorOf(call(op, inputs, output, more...))
		return sub(functionNode, c)
	}
	function := func(name string, parts ...[]byte) []byte {
		return sub(modelFunctions, append([][]byte{str(functionName, name), str(functionDomain, "d"), sub(functionOpset, str(opsetDomain, ""), num(opsetVersion, 17))}, parts...)...)
	}
	body := func(parts ...[]byte) []byte { return branch("body", parts...) }
	return map[string][]byte{
		"loop": modelBytes(in("x", 2), in("n"), in("c"), weight("w", 0, 2, 2), call("Loop", "n c x", "y s", body(
			in("i"), in("go"), in("h", 2), weight("v", 1, 2), call("MatMul", "h w", "a"), call("Add", "a v", "b"),
			call("If", "go", "r", branch("then_branch", constant("k", 2, 2), call("Mul", "b k", "t"), out("t")), branch("else_branch", call("Identity", "b", "e"), out("e"))),
			call("Identity", "go", "on"), out("on"), out("r"), out("a"))), out("y"), out("s")),
		"scan": modelBytes(in("x", 3, 2), weight("w", 0, 2, 2), weight("b", 0, 2), call("Scan", "b x", "f s", attr("num_scan_inputs", kindInt, num(attrInt, 1)), body(
			in("st"), in("el"), call("Gemm", "el w st", "g"), call("Tanh", "g", "o"), out("g"), out("o"))), out("f"), out("s")),
		"quantized": modelBytes(in("x", 1, 4), store("w", 3, 8, 4, 2), weight("s", 1, 2), store("z", 3, 2, 2), weight("b", 0, 2),
			call("DequantizeLinear", "w s z", "d", attr("axis", kindInt, num(attrInt, 1))), call("Gemm", "x d b", "y"), store("q4", 22, 4, 8), call("DequantizeLinear", "q4 s2", "e"), weight("s2", 1, 1), out("y"), out("e")),
		"followed": modelBytes(in("x", 1, 4), weight("w", 0, 2, 4), call("Identity", "w", "i"), call("Transpose", "i", "t", attr("perm", kindInts, num(attrInts, 1), num(attrInts, 0))), ints("r", 4, 2), call("Reshape", "t r", "u"),
			call("Cast", "u", "c", attr("to", kindInt, num(attrInt, 1))), call("MatMul", "x c", "m"), weight("g", 1, 2), call("Unsqueeze", "g ax", "gu"), ints("ax", 0), call("Mul", "m gu", "y"), out("y", 1, 2)),
		"slots": modelBytes(in("x", 1, 1, 2, 2), weight("k", 0, 2, 1, 1, 1), weight("kb", 0, 2), call("Conv", "x k kb", "c"), weight("sc", 1, 2), weight("bi", 0, 2), weight("me", 0, 2), weight("va", 1, 2),
			call("BatchNormalization", "c sc bi me va", "n", attr("epsilon", kindFloat, fix32(attrFloat, 1e-5))), weight("sl", 0, 2, 1, 1), call("PRelu", "n sl", "p"), weight("em", 0, 3, 2), ints("id", 1), call("Gather", "em id", "e"),
			weight("lw", 0, 1, 8, 2), weight("lr", 0, 1, 8, 2), weight("lb", 0, 1, 16), call("LSTM", "sq lw lr lb", "l", attr("hidden_size", kindInt, num(attrInt, 2))), in("sq", 1, 1, 2), call("LayerNormalization", "e sc bi", "z"), out("p"), out("l"), out("z")),
		"types": join(modelBytes(typed("a", element(Float16)), typed("s", sub(typeSequence, sub(1, element(Int64)))), typed("m", sub(typeMap, num(1, 7), sub(2, element(String)))), typed("o", sub(typeOptional, sub(1, sub(typeSequence, sub(1, element(Bool)))))),
			typed("p", sub(typeSparse, num(1, 1), sub(2))), sub(graphInitializer, tensorOf("text", String, []int64{2}, str(tensorStringData, "a"), str(tensorStringData, ""))), sub(graphInitializer, tensorOf("d", Float64, []int64{2, 1}, doubles(false, 1), doubles(true, 2))),
			store("c64", 14, 16, 2), store("bo", Bool, 3, 3), sub(graphInitializer, tensorOf("u", Uint64, []int64{2}, num(tensorUint64Data, 1), num(tensorUint64Data, -1))), store("h", Float16, 4, 2), store("e", Float32, 0, 2, 0), store("f8", 17, 4, 4),
			call("Cast", "d", "y", attr("to", kindInt, num(attrInt, 10))), call("Mul", "y h", "z"), out("z"), sub(graphValueInfo, str(portName, "y"), sub(portType, element(Float16))), str(10, "doc"), sub(14, str(1, "h"), sub(2, str(1, "SCALE_TENSOR"), str(2, "d")))), metadata("a", "b"), metadata("a", "c"), opset("d", 1), str(modelProducerName, "again")),
		"functions": join(modelBytes(in("x", 2), weight("w", 0, 2), call("F", "x w", "h", str(nodeDomain, "d"), attr("alpha", kindFloat, fix32(attrFloat, 2))), call("F", "h w", "y", str(nodeDomain, "d")), out("y")), opset("d", 1),
			function("F", str(functionInput, "a"), str(functionInput, "k"), str(functionOutput, "b"), str(functionAttribute, "beta"), sub(functionDefault, str(attrName, "alpha"), fix32(attrFloat, 1), num(attrKind, kindFloat)),
				inFunction("Constant", "", "c", attr("value", kindTensor, sub(attrTensor, tensorOf("", Float32, []int64{2}, raw(8))))), inFunction("G", "a k", "g", str(nodeDomain, "d")), inFunction("LeakyRelu", "g", "l", ref("alpha", "alpha", kindFloat)), inFunction("Add", "l c", "b")),
			function("G", str(functionInput, "p"), str(functionInput, "q"), str(functionOutput, "r"), inFunction("If", "cond", "r", branch("then_branch", call("Mul", "p q", "t"), out("t")), branch("else_branch", call("Add", "p q", "e"), out("e"))), inFunction("Constant", "", "cond", attr("value_int", kindInt, num(attrInt, 1))))),
		"attributes": modelBytes(in("x", 2), call("Op", "x", "y", str(nodeDomain, "d"), str(nodeName, "n"), str(nodeOverload, "o"), attr("f", kindFloat, fix32(attrFloat, 1)), attr("s", kindString, str(attrString, "text")), attr("fs", kindFloats, appendBytes(nil, attrFloats, floatBytes(1, 2))),
			attr("is", kindInts, num(attrInts, 3), appendBytes(nil, attrInts, []byte{1, 2})), attr("ss", kindStrings, str(attrStrings, "a"), str(attrStrings, "b")), attr("ts", 9, sub(attrTensors, tensorOf("", Float32, []int64{1}, raw(4))), sub(attrTensors, tensorOf("", Int64, []int64{1}, raw(8)))),
			attr("gs", 10, sub(attrGraphs, call("Relu", "x", "r"), out("r"))), attr("tp", 13, sub(attrType, element(Float32))), attr("tps", 14, sub(attrTypes, element(Float32)))),
			call("Constant", "", "sp", attr("sparse_value", 11, sub(attrSparse, sub(sparseValues, tensorOf("", Float32, []int64{1}, raw(4))), sub(sparseIndices, tensorOf("", Int64, []int64{1, 2}, raw(16))), num(sparseDims, 2), num(sparseDims, 2)))), out("y"), out("sp")),
		"shared": modelBytes(in("x", 2, 2), in("w", 2, 2), weight("w", 0, 2, 2), call("MatMul", "x w", "a"), call("Gemm", "a w", "b", attr("transB", kindInt, num(attrInt, 1))), call("Split", "w", "w1 w2"), call("Concat", "w1 w2", "w3", attr("axis", kindInt, num(attrInt, 0))), call("Add", "b w3", "y"), out("y"), out("w")),
	}
}

// cursorOf is the body of a field of bytes.
func cursorOf(f []byte) []byte {
	_, _, _, size, end, _ := plainField(f, 0)
	return f[end-size : end]
}
