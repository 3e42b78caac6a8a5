package onnxio

import "fmt"

// DType is the type of a tensor's elements, numbered as in ONNX.
type DType int32

// The types that this package treats specially. The others are only named.
const (
	Float32  DType = 1
	Uint8    DType = 2
	Int8     DType = 3
	Uint16   DType = 4
	Int16    DType = 5
	Int32    DType = 6
	Int64    DType = 7
	String   DType = 8
	Bool     DType = 9
	Float16  DType = 10
	Float64  DType = 11
	Uint32   DType = 12
	Uint64   DType = 13
	BFloat16 DType = 16
)

// dtypes is what the format says about each type: its name, the bits of one
// element, and the field of TensorProto that holds the elements when raw_data
// does not.
var dtypes = [...]struct {
	name  string
	bits  int
	field uint64
}{
	1:  {"float32", 32, tensorFloatData},
	2:  {"uint8", 8, tensorInt32Data},
	3:  {"int8", 8, tensorInt32Data},
	4:  {"uint16", 16, tensorInt32Data},
	5:  {"int16", 16, tensorInt32Data},
	6:  {"int32", 32, tensorInt32Data},
	7:  {"int64", 64, tensorInt64Data},
	8:  {"string", 0, tensorStringData},
	9:  {"bool", 8, tensorInt32Data},
	10: {"float16", 16, tensorInt32Data},
	11: {"float64", 64, tensorDoubleData},
	12: {"uint32", 32, tensorUint64Data},
	13: {"uint64", 64, tensorUint64Data},
	14: {"complex64", 64, tensorFloatData},
	15: {"complex128", 128, tensorDoubleData},
	16: {"bfloat16", 16, tensorInt32Data},
	17: {"float8e4m3fn", 8, tensorInt32Data},
	18: {"float8e4m3fnuz", 8, tensorInt32Data},
	19: {"float8e5m2", 8, tensorInt32Data},
	20: {"float8e5m2fnuz", 8, tensorInt32Data},
	21: {"uint4", 4, tensorInt32Data},
	22: {"int4", 4, tensorInt32Data},
	23: {"float4e2m1", 4, tensorInt32Data},
	24: {"float8e8m0", 8, tensorInt32Data},
	25: {"uint2", 2, tensorInt32Data},
	26: {"int2", 2, tensorInt32Data},
}

func (d DType) known() bool { return d > 0 && int(d) < len(dtypes) }

// String is the type's usual name, such as "float32".
func (d DType) String() string {
	if d == 0 {
		return "undefined"
	}
	if !d.known() {
		return fmt.Sprintf("type %d", int32(d))
	}
	return dtypes[d].name
}

// MarshalText makes JSON show the name.
func (d DType) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// float tells whether the type is one of the floating-point types that
// networks are trained in.
func (d DType) float() bool {
	return d == Float32 || d == Float64 || d == Float16 || d == BFloat16
}

// quantized tells whether the type is one of those that stand for real numbers
// together with a scale.
func (d DType) quantized() bool {
	return d == Int8 || d == Uint8 || d == Int16 || d == Uint16 || d >= 17
}

// bytes is the length of raw_data for n elements; n has been checked not to
// overflow. Types of less than a byte are packed.
func (d DType) bytes(n int) int64 { return (int64(n)*int64(dtypes[d].bits) + 7) / 8 }

// entries is the number of entries of the typed data field for n elements:
// complex numbers take two, types of less than a byte share one.
func (d DType) entries(n int) int64 {
	switch bits := dtypes[d].bits; {
	case d == 14 || d == 15:
		return 2 * int64(n)
	case bits > 0 && bits < 8:
		return d.bytes(n)
	}
	return int64(n)
}
