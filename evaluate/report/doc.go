// Package report turns what rpg evaluate found, and what is known of the
// training and sampling before it, into one HTML page that needs nothing else:
// no script, no picture, no network. It is pure: values in, bytes out.
//
// Read in this order: page.go (what goes in, and Write), read.go (the same from
// JSON, with its checks), family.go (how a group of models looks), axis.go and
// svg.go (scales and drawing), strip.go, scatter.go and curve.go (the three kinds
// of figure), figures.go (which ones are drawn), tables.go and numbers.go, command.go
// (command lines as people read them), view.go (all of it, as the template shows it),
// page.html and style.css.
//
// Every string from outside is escaped: by html/template in the page, by svg.go
// in figures.
package report
