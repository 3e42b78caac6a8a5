//go:build !linux

package cuda

import "errors"

func memoryFile(string, []byte) (string, error) {
	return "", errors.New("expected Linux, found another system")
}
