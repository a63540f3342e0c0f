// Draws the explorer that explorer.py describes: a scatter plot, and the crystal and pattern of the chosen point.
(() => {
  const data = JSON.parse(document.getElementById("explorer-data").textContent);
  const root = document.querySelector(".explorer");
  const DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  const GREY = "#767676", BLACK = "#000000", BLUE = "#0072B2";
  root.innerHTML = `
    <div class="choices">
      <label>Method <select class="method"></select></label>
      <label>Crystal <select class="which"><option value="">all</option></select></label>
      <span><button type="button" class="back">less similar</button> <button type="button" class="on">more similar</button></span>
    </div>
    <svg class="scatter" viewBox="0 0 360 290" role="img" aria-label="Distance to the truth against similarity; choose a point"></svg>
    <svg class="cell" viewBox="0 0 360 290" role="img" aria-label="Unit cell of the chosen result; drag to turn"></svg>
    <svg class="pattern" viewBox="0 0 740 156" role="img" aria-label="Patterns of the chosen result and of the truth"></svg>
    <div class="words" aria-live="polite"></div>`;
  const part = name => root.querySelector("." + name);
  const method = part("method"), which = part("which");
  for (const [name, m] of Object.entries(data.methods)) method.add(new Option(m.label, name));
  if ("cosine" in data.methods) method.value = "cosine";
  for (const name of Object.keys(data.crystals)) which.add(new Option(name, name));

  let points = [], chosen = null, view = null;

  function element(parent, tag, attributes, text) {
    const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    if (text !== undefined) made.textContent = text;
    return parent.appendChild(made);
  }

  // About five round values between two ends.
  function ticks(low, high) {
    const power = 10 ** Math.floor(Math.log10((high - low) / 4));
    const step = [1, 2, 5, 10].map(n => n * power).find(s => (high - low) / s <= 6);
    const found = [];
    for (let n = Math.ceil(low / step); n * step <= high; n++) found.push(n * step);
    const decimals = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
    return found.map(value => [value, value.toFixed(decimals).replace("-", "−")]);
  }

  function axes(svg, box, x, y, labels) {
    const [left, top, right, bottom] = box;
    element(svg, "path", { d: `M${left},${top}V${bottom}H${right}`, fill: "none", stroke: BLACK, "stroke-width": 0.8 });
    for (const [value, text] of ticks(...x.ends)) {
      element(svg, "line", { x1: x(value), x2: x(value), y1: bottom, y2: bottom + 4, stroke: BLACK });
      element(svg, "text", { x: x(value), y: bottom + 17, "text-anchor": "middle" }, text);
    }
    for (const [value, text] of y ? ticks(...y.ends) : []) {
      element(svg, "line", { x1: left - 4, x2: left, y1: y(value), y2: y(value), stroke: BLACK });
      element(svg, "text", { x: left - 7, y: y(value) + 4, "text-anchor": "end" }, text);
    }
    element(svg, "text", { x: (left + right) / 2, y: bottom + 36, "text-anchor": "middle" }, labels[0]);
    const middle = (top + bottom) / 2;
    element(svg, "text", { x: 12, y: middle, "text-anchor": "middle", transform: `rotate(-90 12 ${middle})` }, labels[1]);
  }

  function scale(values, from, to) {
    const low = Math.min(...values), high = Math.max(...values), pad = 0.04 * (high - low || 1);
    const map = value => from + (value - low + pad) / (high - low + 2 * pad) * (to - from);
    map.ends = [low - pad, high + pad];
    return map;
  }

  // The results of the chosen method and crystal, from the least to the most similar.
  function select() {
    const all = data.methods[method.value].results;
    points = all.crystal.map((crystal, i) => ({
      crystal, copy: all.copy[i], similarity: all.similarity[i], emd: all.emd[i], match: all.match[i],
      matrix: all.matrix[i], pattern: all.pattern[i],
    })).filter(point => !which.value || point.crystal === which.value);
    points.sort((one, other) => one.similarity - other.similarity);
    const wrong = points.filter(point => !point.match);
    choose((wrong.length ? wrong : points).at(-1));
  }

  function choose(point) {
    if (!chosen || chosen.crystal !== point.crystal) view = rows(data.crystals[point.crystal].view);
    chosen = point;
    scatter();
    cell();
    pattern();
    words();
  }

  function scatter() {
    const svg = part("scatter"), { colour, axis } = data.methods[method.value];
    svg.replaceChildren();
    const x = scale(points.map(p => p.similarity), 48, 350), y = scale(points.map(p => p.emd), 250, 8);
    axes(svg, [48, 8, 350, 250], x, y, [axis, "EMD to the truth (Å)"]);
    for (const point of points) {
      [point.x, point.y] = [x(point.similarity), y(point.emd)];
      const fill = point.match ? colour : "none";
      element(svg, "circle", { cx: point.x, cy: point.y, r: 3.2, fill, stroke: colour, "pointer-events": "none" });
    }
    element(svg, "circle", { class: "ring", cx: chosen.x, cy: chosen.y, r: 7, fill: "none", stroke: BLACK, "stroke-width": 2 });
  }

  const rows = flat => [flat.slice(0, 3), flat.slice(3, 6), flat.slice(6, 9)];
  const dot = (u, v) => u[0] * v[0] + u[1] * v[1] + u[2] * v[2];
  const place = (matrix, f) => [0, 1, 2].map(i => f[0] * matrix[0][i] + f[1] * matrix[1][i] + f[2] * matrix[2][i]);
  const corners = [0, 1, 2, 3, 4, 5, 6, 7].map(n => [n & 1, (n >> 1) & 1, (n >> 2) & 1]);
  const edges = corners.flatMap((_, i) => [1, 2, 4].filter(bit => !(i & bit)).map(bit => [i, i | bit]));

  // Both cells about their centres, at a scale at which neither leaves the picture however it is turned.
  function cell() {
    const svg = part("cell"), truth = data.crystals[chosen.crystal];
    svg.replaceChildren();
    const both = [rows(truth.matrix), rows(chosen.matrix)];
    const diagonal = Math.max(...both.flatMap(m => corners.map(c => {
      const d = place(m, c.map(x => 2 * x - 1));
      return Math.sqrt(dot(d, d));
    })));
    const zoom = 265 / (diagonal + 1.5);
    const seen = (matrix, f) => {
      const r = place(matrix, f.map(x => x - 0.5));
      const [right, up, near] = view.map(axis => zoom * dot(axis, r));
      return [180 + right, 138 - up, near];
    };
    both.forEach((matrix, isResult) => {
      const ends = corners.map(c => seen(matrix, c));
      for (const [i, j] of edges) {
        element(svg, "line", {
          x1: ends[i][0], y1: ends[i][1], x2: ends[j][0], y2: ends[j][1], stroke: isResult ? BLACK : GREY,
          "stroke-dasharray": isResult ? "none" : "4 3",
        });
      }
    });
    const atoms = truth.atoms.map((f, i) => [truth.symbols[i], seen(both[1], f)]);
    atoms.sort((one, other) => one[1][2] - other[1][2]);
    for (const [symbol, [x, y]] of atoms) {
      const [colour, radius] = truth.elements[symbol];
      element(svg, "circle", { cx: x, cy: y, r: zoom * radius, fill: colour, "fill-opacity": 0.85, stroke: BLACK, "stroke-width": 0.6 });
    }
    Object.entries(truth.elements).forEach(([symbol, [colour]], i) => {
      element(svg, "circle", { cx: 12 + 48 * i, cy: 278, r: 5, fill: colour, stroke: BLACK, "stroke-width": 0.6 });
      element(svg, "text", { x: 21 + 48 * i, y: 282 }, symbol);
    });
  }

  function pattern() {
    const svg = part("pattern"), bottom = 110;
    svg.replaceChildren();
    const x = scale([0, 90], 30, 735), truth = data.crystals[chosen.crystal].pattern;
    axes(svg, [30, 6, 735, bottom], x, null, ["Scattering angle 2θ (deg)", "Intensity"]);
    for (const [text, colour, width] of [[truth, GREY, 1], [chosen.pattern, BLUE, 1.4]]) {
      const line = [...text].map((digit, i) => `${x((i + 0.5) * 90 / text.length).toFixed(1)},${(bottom - 100 * DIGITS.indexOf(digit) / 63).toFixed(1)}`);
      element(svg, "polyline", { points: line.join(" "), fill: "none", stroke: colour, "stroke-width": width });
    }
  }

  function parameters(flat) {
    const m = rows(flat), length = m.map(v => Math.sqrt(dot(v, v)));
    const angle = (i, j) => Math.acos(dot(m[i], m[j]) / length[i] / length[j]) * 180 / Math.PI;
    const lengths = length.map(v => v.toFixed(2)).join(", "), angles = [angle(1, 2), angle(0, 2), angle(0, 1)];
    return `${lengths} Å; ${angles.map(v => v.toFixed(1)).join(", ")}°`;
  }

  function words() {
    const { axis } = data.methods[method.value], truth = data.crystals[chosen.crystal];
    const similarity = chosen.similarity.toPrecision(3).replace("-", "−");
    part("words").textContent =
      `${chosen.crystal}, copy ${chosen.copy}: ${axis} ${similarity}, EMD ${chosen.emd.toFixed(3)} Å, ` +
      `${chosen.match ? "a match" : "no match"}. Cell (a, b, c; α, β, γ): ${parameters(chosen.matrix)}; ` +
      `the truth (dashed, its pattern grey): ${parameters(truth.matrix)}.`;
  }

  const step = by => {
    const next = points.indexOf(chosen) + by;
    if (next >= 0 && next < points.length) choose(points[next]);
  };
  part("back").onclick = () => step(-1);
  part("on").onclick = () => step(1);
  method.onchange = which.onchange = select;
  part("scatter").onclick = event => {
    const box = part("scatter").getBoundingClientRect();
    const [x, y] = [(event.clientX - box.left) * 360 / box.width, (event.clientY - box.top) * 290 / box.height];
    const far = point => (point.x - x) ** 2 + (point.y - y) ** 2;
    choose(points.reduce((best, point) => far(point) < far(best) ? point : best));
  };

  // Turning: sideways about the upward axis of the view, upwards about its axis to the right.
  let held = null;
  part("cell").onpointerdown = event => {
    held = [event.clientX, event.clientY];
    part("cell").setPointerCapture(event.pointerId);
  };
  part("cell").onpointerup = part("cell").onpointercancel = () => { held = null; };
  part("cell").onpointermove = event => {
    if (!held) return;
    const [turn, tilt] = [(event.clientX - held[0]) / 100, (event.clientY - held[1]) / 100];
    held = [event.clientX, event.clientY];
    const mix = (u, v, angle) => u.map((_, i) => Math.cos(angle) * u[i] + Math.sin(angle) * v[i]);
    const [right, up, near] = view;
    const [turned, forward] = [mix(right, near, turn), mix(near, right, -turn)];
    view = [turned, mix(up, forward, -tilt), mix(forward, up, tilt)];
    cell();
  };

  select();
})();
