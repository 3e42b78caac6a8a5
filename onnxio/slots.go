package onnxio

// The operators of two domains: ONNX itself, and what ONNX Runtime adds.
const microsoft = "com.microsoft"

// opName is an operator: its domain, then its name.
type opName struct{ domain, op string }

// weightSlots gives the role of each input that is a weight when it is stored.
var weightSlots = map[opName]map[int]Role{
	{"", "Conv"}:                  {1: RoleWeight, 2: RoleBias},
	{"", "ConvTranspose"}:         {1: RoleWeight, 2: RoleBias},
	{"", "CausalConvWithState"}:   {1: RoleWeight, 2: RoleBias},
	{"", "DeformConv"}:            {1: RoleWeight, 3: RoleBias},
	{"", "Gemm"}:                  {0: RoleWeight, 1: RoleWeight, 2: RoleBias},
	{"", "MatMul"}:                {0: RoleWeight, 1: RoleWeight},
	{"", "BatchNormalization"}:    {1: RoleScale, 2: RoleBias, 3: RoleMean, 4: RoleVariance},
	{"", "InstanceNormalization"}: {1: RoleScale, 2: RoleBias},
	{"", "LayerNormalization"}:    {1: RoleScale, 2: RoleBias},
	{"", "GroupNormalization"}:    {1: RoleScale, 2: RoleBias},
	{"", "RMSNormalization"}:      {1: RoleScale},
	// Of the standard domain by history only: ONNX Runtime's own operator.
	{"", "SimplifiedLayerNormalization"}: {1: RoleScale},
	{"", "PRelu"}:                        {1: RoleSlope},
	{"", "Gather"}:                       {0: RoleEmbedding},
	{"", "GatherND"}:                     {0: RoleEmbedding},
	{"", "GatherElements"}:               {0: RoleEmbedding},
	{"", "LSTM"}:                         {1: RoleWeight, 2: RoleRecurrent, 3: RoleBias, 7: RoleRecurrent},
	{"", "GRU"}:                          {1: RoleWeight, 2: RoleRecurrent, 3: RoleBias},
	{"", "RNN"}:                          {1: RoleWeight, 2: RoleRecurrent, 3: RoleBias},
	{"", "Attention"}:                    {0: RoleTable, 1: RoleTable, 2: RoleTable},
	{"", "Add"}:                          {0: RoleBias, 1: RoleBias},
	{"", "Sub"}:                          {0: RoleBias, 1: RoleBias},
	{"", "Mul"}:                          {0: RoleScale, 1: RoleScale},
	{"", "Div"}:                          {0: RoleScale, 1: RoleScale},

	{microsoft, "Attention"}:                        {1: RoleWeight, 2: RoleBias},
	{microsoft, "PackedAttention"}:                  {1: RoleWeight, 2: RoleBias},
	{microsoft, "LongformerAttention"}:              {1: RoleWeight, 2: RoleBias, 4: RoleWeight, 5: RoleBias},
	{microsoft, "DecoderAttention"}:                 {2: RoleWeight, 3: RoleWeight, 4: RoleBias},
	{microsoft, "MultiHeadAttention"}:               {3: RoleBias},
	{microsoft, "PackedMultiHeadAttention"}:         {3: RoleBias},
	{microsoft, "GatedRelativePositionBias"}:        {1: RoleBias, 3: RoleWeight, 4: RoleBias, 5: RoleScale},
	{microsoft, "RelativePositionBias"}:             {0: RoleEmbedding},
	{microsoft, "EmbedLayerNormalization"}:          {2: RoleEmbedding, 3: RoleEmbedding, 4: RoleEmbedding, 5: RoleScale, 6: RoleBias},
	{microsoft, "LayerNormalization"}:               {1: RoleScale, 2: RoleBias},
	{microsoft, "SimplifiedLayerNormalization"}:     {1: RoleScale},
	{microsoft, "SkipLayerNormalization"}:           {2: RoleScale, 3: RoleBias, 4: RoleBias},
	{microsoft, "SkipSimplifiedLayerNormalization"}: {2: RoleScale, 3: RoleBias},
	{microsoft, "GroupNorm"}:                        {1: RoleScale, 2: RoleBias},
	{microsoft, "SkipGroupNorm"}:                    {1: RoleScale, 2: RoleBias, 4: RoleBias},
	{microsoft, "FusedConv"}:                        {1: RoleWeight, 2: RoleBias},
	{microsoft, "NhwcConv"}:                         {1: RoleWeight, 2: RoleBias},
	{microsoft, "NhwcFusedConv"}:                    {1: RoleWeight, 2: RoleBias},
	{microsoft, "ConvTransposeWithDynamicPads"}:     {1: RoleWeight, 3: RoleBias},
	{microsoft, "FusedGemm"}:                        {0: RoleWeight, 1: RoleWeight, 2: RoleBias},
	{microsoft, "FusedMatMul"}:                      {0: RoleWeight, 1: RoleWeight},
	{microsoft, "TransposeMatMul"}:                  {0: RoleWeight, 1: RoleWeight},
	{microsoft, "FusedMatMulActivation"}:            {0: RoleWeight, 1: RoleWeight},
	{microsoft, "GemmFastGelu"}:                     {1: RoleWeight, 2: RoleBias},
	{microsoft, "BiasGelu"}:                         {1: RoleBias},
	{microsoft, "FastGelu"}:                         {1: RoleBias},
	{microsoft, "BiasAdd"}:                          {1: RoleBias},
	{microsoft, "BiasDropout"}:                      {1: RoleBias},
	{microsoft, "BiasSplitGelu"}:                    {1: RoleBias},
	{microsoft, "MoE"}:                              {2: RoleWeight, 3: RoleBias, 4: RoleWeight, 5: RoleBias, 6: RoleWeight, 7: RoleBias},
}

// anySlot are operators whose every input is a weight when it is stored.
var anySlot = map[opName]Role{
	{"", "Concat"}: RoleTable,
	{"", "Einsum"}: RoleWeight,
	{"", "Sum"}:    RoleBias,
}

// passes are operators that hand their input 0 on with other bytes, shape or
// place, so that what uses their outputs decides the role.
var passes = map[opName]bool{
	{"", "Identity"}: true, {"", "Cast"}: true, {"", "CastLike"}: true, {"", "Transpose"}: true, {"", "Reshape"}: true,
	{"", "Squeeze"}: true, {"", "Unsqueeze"}: true, {"", "Flatten"}: true, {"", "Expand"}: true,
	{"", "Slice"}: true, {"", "Split"}: true, {"", "Tile"}: true,
	{"", "DequantizeLinear"}: true, {"", "QuantizeLinear"}: true,
	{microsoft, "DequantizeLinear"}: true, {microsoft, "QuantizeLinear"}: true,
}

// neutral are operators that look at a tensor's shape only.
var neutral = map[opName]bool{{"", "Shape"}: true, {"", "Size"}: true}

// encodings are operators for which a stored tensor is a part of an encoding in
// integers: new values would not fit the stored ones.
var encodings = map[opName]bool{
	{"", "QuantizeLinear"}: true, {"", "DequantizeLinear"}: true, {"", "DynamicQuantizeLinear"}: true,
	{"", "QLinearConv"}: true, {"", "QLinearMatMul"}: true, {"", "ConvInteger"}: true, {"", "MatMulInteger"}: true,

	{microsoft, "QuantizeLinear"}: true, {microsoft, "DequantizeLinear"}: true,
	{microsoft, "QLinearAdd"}: true, {microsoft, "QLinearMul"}: true, {microsoft, "QLinearConcat"}: true,
	{microsoft, "QLinearAveragePool"}: true, {microsoft, "QLinearGlobalAveragePool"}: true,
	{microsoft, "QLinearReduceMean"}: true, {microsoft, "QLinearSigmoid"}: true, {microsoft, "QLinearLeakyRelu"}: true,
	{microsoft, "QLinearSoftmax"}: true, {microsoft, "QLinearWhere"}: true, {microsoft, "QLinearConv"}: true,
	{microsoft, "QGemm"}: true, {microsoft, "QAttention"}: true, {microsoft, "QOrderedAttention"}: true,
	{microsoft, "QOrderedMatMul"}: true, {microsoft, "QOrderedLayerNormalization"}: true, {microsoft, "QOrderedGelu"}: true,
	{microsoft, "QOrderedLongformerAttention"}: true, {microsoft, "QEmbedLayerNormalization"}: true, {microsoft, "QMoE"}: true,
	{microsoft, "MatMulIntegerToFloat"}: true, {microsoft, "DynamicQuantizeMatMul"}: true, {microsoft, "DynamicQuantizeLSTM"}: true,
	{microsoft, "MulInteger"}: true, {microsoft, "ReduceSumInteger"}: true, {microsoft, "MatMulNBits"}: true,
	{microsoft, "MatMulBnb4"}: true, {microsoft, "MatMulFpQ4"}: true, {microsoft, "GatherBlockQuantized"}: true,
}

func (n *node) key() opName { return opName{n.domain, n.op} }

// slotRole is the role of a stored input, "" when it is not a weight slot.
func slotRole(n *node, slot int) Role {
	if n.calls != nil {
		return ""
	}
	if r, ok := weightSlots[n.key()][slot]; ok {
		return r
	}
	return anySlot[n.key()]
}
