package main

import (
	"fmt"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
)

// cpuName is the processor as the system names it.
func cpuName() string {
	if names := cpuInfo("model name"); len(names) > 0 {
		return names[0]
	}
	return runtime.GOARCH
}

// machineCores counts the processors of the machine, usable or not.
func machineCores() int {
	if n := len(cpuInfo("processor")); n > 0 {
		return n
	}
	return runtime.NumCPU()
}

// cpuInfo gives the values of one key of /proc/cpuinfo, one for each core.
func cpuInfo(key string) []string {
	var values []string
	for line := range strings.Lines(fileText("/proc/cpuinfo")) {
		if k, v, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(k) == key {
			values = append(values, strings.TrimSpace(v))
		}
	}
	return values
}

// simdNames are the vector instructions that matter to rpg.
func simdNames() []string {
	flags := cpuInfo("flags")
	if len(flags) == 0 {
		flags = cpuInfo("Features") // arm64
	}
	if len(flags) == 0 {
		return []string{"unknown"}
	}
	var found []string
	for _, f := range strings.Fields(flags[0]) {
		if slices.Contains([]string{"avx", "avx2", "fma", "f16c", "avx512f", "avx512_bf16", "avx512_vnni", "amx_bf16", "asimd", "sve", "bf16"}, f) {
			found = append(found, f)
		}
	}
	if len(found) == 0 {
		return []string{"none"}
	}
	return found
}

// cgroupLimits says how much processor and memory this process may use.
func cgroupLimits() string {
	folder := "/sys/fs/cgroup"
	for line := range strings.Lines(fileText("/proc/self/cgroup")) {
		if own, ok := strings.CutPrefix(strings.TrimSpace(line), "0::"); ok {
			if fileText(filepath.Join(folder, own, "cgroup.controllers")) != "" {
				folder = filepath.Join(folder, own)
			}
		}
	}
	var limits []string
	quota := strings.Fields(fileText(filepath.Join(folder, "cpu.max")))
	if len(quota) == 2 && quota[0] != "max" {
		q, e1 := strconv.ParseFloat(quota[0], 64)
		p, e2 := strconv.ParseFloat(quota[1], 64)
		if e1 == nil && e2 == nil && p > 0 {
			limits = append(limits, fmt.Sprintf("%.2f cores", q/p))
		}
	}
	if n, err := strconv.ParseInt(strings.TrimSpace(fileText(filepath.Join(folder, "memory.max"))), 10, 64); err == nil {
		limits = append(limits, size(n)+" memory")
	}
	if len(limits) == 0 {
		return "no limits"
	}
	return strings.Join(limits, ", ")
}

// memoryText is the machine's memory.
func memoryText() string {
	kilobytes := map[string]int64{}
	for line := range strings.Lines(fileText("/proc/meminfo")) {
		f := strings.Fields(line)
		if len(f) >= 2 {
			if n, err := strconv.ParseInt(f[1], 10, 64); err == nil {
				kilobytes[strings.TrimSuffix(f[0], ":")] = n
			}
		}
	}
	if kilobytes["MemTotal"] == 0 {
		return "unknown"
	}
	return fmt.Sprintf("%s, %s available", size(kilobytes["MemTotal"]<<10), size(kilobytes["MemAvailable"]<<10))
}

// gpuText says whether an NVIDIA driver is loaded.
func gpuText() string {
	driver := fileText("/proc/driver/nvidia/version")
	if driver == "" {
		return "no NVIDIA driver: the CPU does everything"
	}
	first, _, _ := strings.Cut(driver, "\n")
	return strings.Join(strings.Fields(strings.TrimPrefix(first, "NVRM version:")), " ")
}
