package cuda

import (
	"debug/dwarf"
	"debug/elf"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"
)

// mirrors are the structs of rpg.h and what stands for them in Go.
var mirrors = map[string]any{
	"rpg_info":                    info{},
	"rpg_matrix":                  matrix{},
	"rpg_zero":                    zeroArgs{},
	"rpg_copy":                    copyArgs{},
	"rpg_add":                     addArgs{},
	"rpg_combine_now":             combineNow{},
	"rpg_combine":                 combineArgs{},
	"rpg_gemm":                    gemmArgs{},
	"rpg_column_sums":             columnSumsArgs{},
	"rpg_silu":                    siluArgs{},
	"rpg_silu_backward":           siluBackwardArgs{},
	"rpg_gather":                  gatherArgs{},
	"rpg_scatter_add":             scatterAddArgs{},
	"rpg_causal_conv":             causalConvArgs{},
	"rpg_causal_conv_backward":    causalConvBackwardArgs{},
	"rpg_ssd":                     ssdArgs{},
	"rpg_ssd_backward":            ssdBackwardArgs{},
	"rpg_gated_rms_norm":          gatedRMSNormArgs{},
	"rpg_gated_rms_norm_backward": gatedRMSNormBackwardArgs{},
	"rpg_lstm":                    lstmArgs{},
	"rpg_lstm_backward":           lstmBackwardArgs{},
	"rpg_attention":               attentionArgs{},
	"rpg_attention_backward":      attentionBackwardArgs{},
	"rpg_layer_norm":              layerNormArgs{},
	"rpg_layer_norm_backward":     layerNormBackwardArgs{},
	"rpg_gate_add":                gateAddArgs{},
	"rpg_gate_add_backward":       gateAddBackwardArgs{},
	"rpg_batch_norm":              batchNormArgs{},
	"rpg_signals":                 signals{},
	"rpg_conv_layer":              convLayerArgs{},
	"rpg_conv_layer_backward":     convLayerBackwardArgs{},
	"rpg_time_features":           timeFeaturesArgs{},
	"rpg_normal_now":              normalNow{},
	"rpg_normal":                  normalArgs{},
	"rpg_normal_rows_now":         normalRowsNow{},
	"rpg_normal_rows":             normalRowsArgs{},
	"rpg_diffuse":                 diffuseArgs{},
	"rpg_masked_mse":              maskedMSEArgs{},
	"rpg_adam_w_now":              adamWNow{},
	"rpg_adam_w":                  adamWArgs{},
	"rpg_adam_w8":                 adamW8Args{},
	"rpg_ema_now":                 emaNow{},
	"rpg_ema":                     emaArgs{},
	"rpg_squared_sum":             squaredSumArgs{},
}

// Every struct of rpg.h has a mirror of the same fields, offsets and sizes, as the
// C++ compiler's notes for debuggers tell them.
func TestMirrors(t *testing.T) {
	structs := structsOf(t, shimLibrary(t, plain))
	header, err := os.ReadFile("rpg.h")
	if err != nil {
		t.Fatal(err)
	}
	names := regexp.MustCompile(`(?m)^struct (rpg_\w+) \{`).FindAllStringSubmatch(string(header), -1)
	if len(names) != len(mirrors) {
		t.Errorf("rpg.h has %d structs, mirrors %d", len(names), len(mirrors))
	}
	for _, found := range names {
		name := found[1]
		mirror, ok := mirrors[name]
		if !ok {
			t.Errorf("%s has no mirror", name)
			continue
		}
		c, ok := structs[name]
		if !ok {
			t.Errorf("%s: no *.cu uses it", name)
			continue
		}
		compareStruct(t, name, c, reflect.TypeOf(mirror))
	}
}

func compareStruct(t *testing.T, name string, c *dwarf.StructType, g reflect.Type) {
	if int64(g.Size()) != c.ByteSize || g.NumField() != len(c.Field) {
		t.Errorf("%s: Go has %d fields and %d bytes, C has %d and %d", name, g.NumField(), g.Size(), len(c.Field), c.ByteSize)
		return
	}
	for i, f := range c.Field {
		mirror := g.Field(i)
		same := strings.EqualFold(mirror.Name, strings.ReplaceAll(f.Name, "_", ""))
		if !same || int64(mirror.Offset) != f.ByteOffset || int64(mirror.Type.Size()) != f.Type.Size() {
			t.Errorf("%s: field %d is %s at %d of %d bytes in Go, %s at %d of %d in C", name, i,
				mirror.Name, mirror.Offset, mirror.Type.Size(), f.Name, f.ByteOffset, f.Type.Size())
		}
	}
}

// structsOf reads the structs rpg_… from the debugging notes of a library.
func structsOf(t *testing.T, path string) map[string]*dwarf.StructType {
	t.Helper()
	file, err := elf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	data, err := file.DWARF()
	if err != nil {
		t.Fatal(err)
	}
	structs := map[string]*dwarf.StructType{}
	for r := data.Reader(); ; {
		entry, err := r.Next()
		if err != nil {
			t.Fatal(err)
		}
		if entry == nil {
			return structs
		}
		name, _ := entry.Val(dwarf.AttrName).(string)
		if entry.Tag != dwarf.TagStructType || !strings.HasPrefix(name, "rpg_") {
			continue
		}
		found, err := data.Type(entry.Offset)
		if err != nil {
			t.Fatal(err)
		}
		if s, ok := found.(*dwarf.StructType); ok && !s.Incomplete {
			structs[name] = s
		}
	}
}
