package report_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"testing"
)

// TestInBrowser looks at pages in Chromium, at three widths, light and dark: they
// render, nothing is fetched, nothing is complained of, no text leaves its figure,
// nothing but tables is wider than the window, and every text stands out from its
// ground. RPG_TEST_PICTURES names a folder for pictures to look at.
func TestInBrowser(t *testing.T) {
	b := openBrowser(t)
	everything := filepath.Join(t.TempDir(), "everything.html")
	if err := os.WriteFile(everything, []byte(write(t, fullPage(t))), 0o644); err != nil {
		t.Fatal(err)
	}
	example, err := filepath.Abs(examplePage)
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{everything, example} {
		t.Run(filepath.Base(file), func(t *testing.T) {
			b.t = t
			lookAt(t, b, file)
		})
	}
	b.t = t
}

func lookAt(t *testing.T, b *browser, file string) {
	page := (&url.URL{Scheme: "file", Path: file}).String()
	b.show(800, "light")
	b.open(page)
	grounds := map[string]bool{}
	for _, scheme := range []string{"light", "dark"} {
		for _, width := range []int{360, 800, 1400} {
			t.Run(fmt.Sprintf("%s %d", scheme, width), func(t *testing.T) {
				b.t = t
				b.show(width, scheme)
				var seen struct {
					Ground             string
					Width, Figures     int
					Flat, Out, Pale    []string
					Small              float64
					Marks, Rows, Texts int
				}
				b.evaluate(look, &seen)
				grounds[seen.Ground] = true
				if seen.Width > width {
					t.Errorf("the page is %d wide", seen.Width)
				}
				if seen.Figures < 7 || seen.Marks < 300 || seen.Rows < 80 || seen.Texts < 100 {
					t.Errorf("%d figures with %d marks and %d texts, %d rows of tables: expected all of the page", seen.Figures, seen.Marks, seen.Texts, seen.Rows)
				}
				if len(seen.Flat) > 0 {
					t.Errorf("figures without size: %q", seen.Flat)
				}
				if len(seen.Out) > 0 {
					t.Errorf("texts beyond their figure or over another: %q", seen.Out)
				}
				if len(seen.Pale) > 0 {
					t.Errorf("texts whose contrast is below 4.5: %q", seen.Pale)
				}
				if !(seen.Small >= 9.5) {
					t.Errorf("the smallest letters of figures are %.1f pixels", seen.Small)
				}
				if folder := os.Getenv("RPG_TEST_PICTURES"); folder != "" {
					b.picture(filepath.Join(folder, fmt.Sprintf("%s-%s-%d.png", filepath.Base(file), scheme, width)))
				}
			})
		}
	}
	b.t = t
	if len(grounds) != 2 {
		t.Errorf("grounds %v, want one for light and one for dark", grounds)
	}
	for _, e := range b.events {
		switch e.Method {
		case "Network.requestWillBeSent":
			var p struct{ Request struct{ URL string } }
			if err := json.Unmarshal(e.Params, &p); err != nil {
				t.Fatal(err)
			}
			if p.Request.URL != page && p.Request.URL != "data:," {
				t.Errorf("the page fetches %s", p.Request.URL)
			}
		case "Log.entryAdded", "Runtime.consoleAPICalled", "Runtime.exceptionThrown":
			t.Errorf("the browser says %s", e.Params)
		}
	}
}

// look measures the page as it is shown.
const look = `(() => {
  const round = (r) => ({ l: r.left, t: r.top, r: r.right, b: r.bottom });
  const parse = (c) => c.match(/[\d.]+/g).map(Number);
  const light = (c) => {
    const [r, g, b] = parse(c).map((v) => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = (e) => {
    for (; e; e = e.parentElement) {
      const c = getComputedStyle(e).backgroundColor;
      if (parse(c)[3] !== 0) return c;
    }
    return "rgb(255, 255, 255)";
  };
  const figures = [...document.querySelectorAll("figure svg[role=img]")];
  const flat = [], out = [], pale = [];
  let small = 99, texts = 0;
  for (const svg of figures) {
    const box = round(svg.getBoundingClientRect());
    if (box.r - box.l < 200 || box.b - box.t < 100) flat.push(svg.id);
    const boxes = [];
    for (const text of svg.querySelectorAll("text")) {
      texts++;
      const own = round(text.getBoundingClientRect());
      small = Math.min(small, parseFloat(getComputedStyle(text).fontSize) * (box.r - box.l) / 480);
      if (own.l < box.l - 1 || own.r > box.r + 1 || own.t < box.t - 1 || own.b > box.b + 1) out.push(text.textContent);
      for (const [other, o] of boxes)
        if (own.l + 1 < o.r && o.l + 1 < own.r && own.t + 3 < o.b && o.t + 3 < own.b) out.push(text.textContent + " | " + other);
      boxes.push([text.textContent, own]);
    }
  }
  for (const e of document.querySelectorAll("h1, h2, h3, p, li, td, th, dt, dd, caption, figcaption, pre, summary, span, text")) {
    if (!e.textContent.trim()) continue;
    const style = getComputedStyle(e);
    const a = light(e.tagName === "text" ? style.fill : style.color), b = light(ground(e));
    if ((Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05) < 4.5) pale.push(e.textContent.slice(0, 40));
  }
  return {
    Ground: ground(document.body), Width: document.documentElement.scrollWidth,
    Figures: figures.length, Flat: flat, Out: out, Pale: pale, Small: small, Texts: texts,
    Marks: document.querySelectorAll("svg[role=img] .marks > *").length, Rows: document.querySelectorAll("tbody tr").length,
  };
})()`
