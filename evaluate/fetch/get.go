package fetch

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// ortSource says where libonnxruntime comes from for one kind of machine. A
// field is empty where that way does not exist.
type ortSource struct {
	goarch   string
	lib      string   // the name of the library file in the cache
	wheelFor string   // pip's name of the platform
	npmPath  string   // the library in the npm package
	archive  string   // address of the official release
	digests  []string // SHA-256 of the library in the wheel and in the npm package
}

func officialRuntime(goos, goarch string) ortSource {
	const release = "https://github.com/microsoft/onnxruntime/releases/download/v" + ortVersion + "/onnxruntime-"
	switch goos + "/" + goarch {
	case "linux/amd64":
		return ortSource{goarch: goarch, lib: "libonnxruntime.so." + ortVersion,
			wheelFor: "manylinux_2_28_x86_64", npmPath: "package/bin/napi-v6/linux/x64/libonnxruntime.so.1",
			archive: release + "linux-x64-" + ortVersion + ".tgz",
			digests: []string{"c902c70b3003c0e99fada202f37478c515ae9bba7944c2b2abd0017bae0c82ed", "ffb75a925ba05e47b235bb66e3e3911714a80b328a9c9425539feb204aa32a23"}}
	case "linux/arm64":
		return ortSource{goarch: goarch, lib: "libonnxruntime.so." + ortVersion,
			wheelFor: "manylinux_2_28_aarch64", npmPath: "package/bin/napi-v6/linux/arm64/libonnxruntime.so.1",
			archive: release + "linux-aarch64-" + ortVersion + ".tgz",
			digests: []string{"8a218e1e446880131115c368ec7005969a5022af9a15a26173de648fef0b7789", "1f549d46250b005580b597f4164984aaf75b3bcb9f3aeb07c7f8a8fe60b23c76"}}
	case "darwin/arm64":
		return ortSource{goarch: goarch, lib: "libonnxruntime." + ortVersion + ".dylib",
			wheelFor: "macosx_14_0_arm64", npmPath: "package/bin/napi-v6/darwin/arm64/libonnxruntime." + ortVersion + ".dylib",
			archive: release + "osx-arm64-" + ortVersion + ".tgz",
			digests: []string{"b46713ea6a25a5227541c21001f6422c1ccdeaecc369aa026a61b752520325c3", "685d2be5dba1309c89d3a5324b7fd06a5c42f1a61bfea32d14c4cc28d072121d"}}
	}
	return ortSource{goarch: goarch}
}

// GetRuntime gives what FindRuntime gives, and gets the library where FindRuntime
// finds none: with pip, with npm, or from the official release, in this order.
// What it got, and what it found inside a Python package, is kept in the cache,
// so that neither the package nor Python is needed again. The error lists every
// way that was tried, and its hint says what to do.
func GetRuntime(ctx context.Context, log func(line string)) (lib, version, how string, err error) {
	f, err := New(log)
	if err != nil {
		return "", "", "", err
	}
	return f.GetRuntime(ctx)
}

// GetRuntime is the function of that name for this Fetcher.
func (f *Fetcher) GetRuntime(ctx context.Context) (lib, version, how string, err error) {
	lib, version, how, err = f.FindRuntime()
	if err == nil && how == howPython {
		return f.keep(lib, version)
	}
	if err == nil || os.Getenv("RPG_ORT_LIB") != "" {
		return lib, version, how, err
	}
	var found *Error
	var tried []string
	if errors.As(err, &found) {
		tried = append(tried, found.Tried...)
	}
	if f.ort.lib == "" {
		return "", "", "", &Error{What: fmt.Sprintf("there is no ready-made libonnxruntime for %s on %s", f.goos, f.ort.goarch), Tried: tried,
			Remedy: "build ONNX Runtime " + MinRuntime + " or newer and set RPG_ORT_LIB to the path of its library"}
	}
	for _, s := range []struct {
		name string
		get  func(ctx context.Context, work, dst string) error
	}{{"pip", f.ortWheel}, {"npm", f.ortPackage}, {"the official release", f.ortRelease}} {
		f.logf("onnxruntime %s: from %s", ortVersion, s.name)
		folder, err := f.build("onnxruntime-"+ortVersion, func(work string) (string, error) {
			dst := filepath.Join(work, "lib", f.ort.lib)
			if err := os.Mkdir(filepath.Dir(dst), 0o755); err != nil {
				return "", f.cacheError(err)
			}
			if err := s.get(ctx, work, dst); err != nil {
				return "", err
			}
			_, err := libraryVersion(dst, f.goos, f.ort.goarch)
			return "lib", err
		})
		if err == nil {
			return filepath.Join(folder, f.ort.lib), ortVersion, "got with " + s.name, nil
		}
		if ctx.Err() != nil {
			return "", "", "", &Error{What: "onnxruntime: interrupted; nothing is left behind", Cause: ctx.Err(), Remedy: "run `rpg fetch onnxruntime` again"}
		}
		if cache := (*Error)(nil); errors.As(err, &cache) {
			return "", "", "", cache // no other source helps when the cache cannot be written
		}
		f.logf("onnxruntime: that did not work: %v", err)
		tried = append(tried, fmt.Sprintf("%s: %s", s.name, strings.TrimPrefix(err.Error(), "fetch: ")))
	}
	return "", "", "", &Error{What: "libonnxruntime could not be fetched:", Tried: tried,
		Remedy: "install pip or npm, or run `python3 -m pip install onnxruntime==" + ortVersion + "` where there is a network, and set RPG_ORT_LIB to its libonnxruntime"}
}

// keep copies a library out of a Python package into the cache. The GPU package
// stays where it is: its provider libraries, 280 MB, must lie beside it.
func (f *Fetcher) keep(lib, version string) (string, string, string, error) {
	if gpu, _ := filepath.Glob(filepath.Join(filepath.Dir(lib), "libonnxruntime_providers_cuda*")); len(gpu) > 0 {
		return lib, version, howPython, nil
	}
	name := filepath.Base(lib)
	folder, err := f.build("onnxruntime-"+version, func(work string) (string, error) {
		src, err := os.Open(lib)
		if err != nil {
			return "", err
		}
		defer src.Close()
		if err := os.Mkdir(filepath.Join(work, "lib"), 0o755); err != nil {
			return "", f.cacheError(err)
		}
		return "lib", writeFile(filepath.Join(work, "lib", name), src, 0o644)
	})
	if err != nil {
		return "", "", "", err
	}
	return filepath.Join(folder, name), version, "copied from an installed Python package", nil
}

// ortWheel takes the library out of the Python wheel. pip only downloads: the
// wheel is for whichever Python, and nothing of it is installed.
func (f *Fetcher) ortWheel(ctx context.Context, work, dst string) error {
	args := []string{"download", "--quiet", "--no-deps", "--only-binary=:all:", "--implementation", "cp",
		"--python-version", "3.12", "--platform", f.ort.wheelFor, "-d", "wheel", "onnxruntime==" + ortVersion}
	var failed []string
	for _, pip := range [][]string{{"python3", "-m", "pip"}, {"pip3"}, {"pip"}} {
		_, err := command(ctx, work, pip[0], append(pip[1:len(pip):len(pip)], args...)...)
		if err != nil {
			failed = append(failed, err.Error())
			continue
		}
		wheels, _ := filepath.Glob(filepath.Join(work, "wheel", "*.whl"))
		if len(wheels) != 1 {
			return fmt.Errorf("pip: expected one wheel, found %d", len(wheels))
		}
		return f.take(dst, "the wheel", func(pick func(string) string) (int, error) { return extractZip(wheels[0], pick) },
			"onnxruntime/capi/"+f.ort.lib)
	}
	return errors.New(strings.Join(slices.Compact(failed), "; "))
}

// ortPackage takes the library out of the npm package, of which `npm pack` runs
// no script.
func (f *Fetcher) ortPackage(ctx context.Context, work, dst string) error {
	out, err := command(ctx, work, "npm", "pack", "--ignore-scripts", "--silent", "onnxruntime-node@"+ortVersion)
	if err != nil {
		return err
	}
	archive, err := packed(work, out)
	if err != nil {
		return err
	}
	return f.take(dst, "the npm package", func(pick func(string) string) (int, error) { return extractTar(archive, pick) }, f.ort.npmPath)
}

// take extracts one member into dst and checks its SHA-256.
func (f *Fetcher) take(dst, from string, extract func(pick func(string) string) (int, error), member string) error {
	n, err := extract(func(name string) string {
		if path.Clean(name) == member {
			return dst
		}
		return ""
	})
	if err != nil {
		return err
	}
	if n != 1 {
		return fmt.Errorf("%s: expected one %s, found %d", from, member, n)
	}
	sum, err := sha256File(dst)
	if err != nil {
		return err
	}
	if !slices.Contains(f.ort.digests, sum) {
		return fmt.Errorf("%s: %s: SHA-256: expected %s, found %s", from, member, strings.Join(f.ort.digests, " or "), sum)
	}
	return nil
}

// ortRelease takes the library out of the official release archive. Its SHA-256
// is reported, not compared: rpg knows the digests of the wheel and of the npm
// package only, and the release is another build.
func (f *Fetcher) ortRelease(ctx context.Context, work, dst string) error {
	archive := filepath.Join(work, "release.tgz")
	sum, err := f.download(ctx, f.ort.archive, archive, "")
	if err != nil {
		return err
	}
	f.logf("%s: SHA-256 %s", f.ort.archive, sum)
	n, err := extractTar(archive, func(name string) string {
		if path.Base(name) == f.ort.lib && path.Base(path.Dir(name)) == "lib" {
			return dst
		}
		return ""
	})
	if err == nil && n != 1 {
		err = fmt.Errorf("%s: expected one lib/%s, found %d", f.ort.archive, f.ort.lib, n)
	}
	return err
}

func sha256File(path string) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer file.Close()
	h := sha256.New()
	if _, err := io.Copy(h, file); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
