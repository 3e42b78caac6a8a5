package onnxio

// The field numbers of onnx.proto that this package looks at. Every other
// field is stepped over and kept.
const (
	modelIRVersion       = 1
	modelProducerName    = 2
	modelProducerVersion = 3
	modelGraph           = 7
	modelOpsetImport     = 8
	modelMetadata        = 14
	modelFunctions       = 25

	opsetDomain  = 1
	opsetVersion = 2

	entryKey   = 1
	entryValue = 2

	graphNode        = 1
	graphInitializer = 5
	graphInput       = 11
	graphOutput      = 12
	graphValueInfo   = 13
	graphSparse      = 15

	nodeInput     = 1
	nodeOutput    = 2
	nodeName      = 3
	nodeOpType    = 4
	nodeAttribute = 5
	nodeDomain    = 7
	nodeOverload  = 8

	attrName          = 1
	attrFloat         = 2
	attrInt           = 3
	attrString        = 4
	attrTensor        = 5
	attrGraph         = 6
	attrFloats        = 7
	attrInts          = 8
	attrStrings       = 9
	attrTensors       = 10
	attrGraphs        = 11
	attrType          = 14
	attrTypes         = 15
	attrKind          = 20
	attrReference     = 21
	attrSparse        = 22
	attrSparseTensors = 23

	tensorDims         = 1
	tensorDType        = 2
	tensorSegment      = 3
	tensorFloatData    = 4
	tensorInt32Data    = 5
	tensorStringData   = 6
	tensorInt64Data    = 7
	tensorName         = 8
	tensorRawData      = 9
	tensorDoubleData   = 10
	tensorUint64Data   = 11
	tensorExternalData = 13
	tensorDataLocation = 14

	sparseValues  = 1
	sparseIndices = 2
	sparseDims    = 3

	portName = 1
	portType = 2

	typeTensor   = 1
	typeSequence = 4
	typeMap      = 5
	typeSparse   = 8
	typeOptional = 9

	tensorTypeElement = 1
	tensorTypeShape   = 2

	shapeDim = 1

	dimValue = 1
	dimParam = 2

	functionName      = 1
	functionInput     = 4
	functionOutput    = 5
	functionAttribute = 6
	functionNode      = 7
	functionOpset     = 9
	functionDomain    = 10
	functionDefault   = 11 // attributes with a default value
	functionOverload  = 13
)

// What onnx.proto calls the fields that hold messages, for errors.
var (
	graphFields = map[uint64]string{
		graphNode: "node", graphInitializer: "initializer", graphInput: "input", graphOutput: "output",
		graphValueInfo: "value_info", graphSparse: "sparse_initializer",
	}
	functionFields = map[uint64]string{
		functionNode: "node", functionDefault: "attribute_proto", functionOpset: "opset_import",
	}
	attrFields = map[uint64]string{
		attrTensor: "t", attrTensors: "tensors", attrGraph: "g", attrGraphs: "graphs", attrSparse: "sparse_tensor",
		attrSparseTensors: "sparse_tensors", attrType: "tp", attrTypes: "type_protos",
	}
)
