// Command rpg learns to generate the weights of ONNX models, writes new models
// of the same architecture, and scores them.
//
// Each verb is one file over one package. Read app.go first (the verbs and how
// one is run), then session.go (streams, flags and settings of one run),
// arguments.go (flags and arguments in any order), settings.go (--config and
// --set), failure.go (errors, hints and exit codes); after them any verb:
// inspect.go, diff.go, check.go, align.go, tokenize.go, fetch.go, train.go, generate.go, evaluate.go, csv.go, report.go, demo.go,
// bench.go, doctor.go, completion.go, help.go, man.go, version.go.
//
// Rules of the terminal, kept everywhere: stdout is the answer and nothing
// else; stderr is narration; a bar is drawn on a terminal only; there are no
// prompts; only fetch uses the network.
package main
