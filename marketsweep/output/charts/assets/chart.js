"use strict";
// Draws the data of the page, by Lightweight Charts; a legend in each pane follows the crosshair.
(() => {
  const L = LightweightCharts;
  const data = JSON.parse(document.getElementById("data").textContent);
  const box = document.getElementById("chart");
  const color = (name) => getComputedStyle(document.documentElement).getPropertyValue("--" + name).trim();
  const lineColor = (i) => color("line-" + (i % 6));
  const digits = (x, places) =>
    x.toLocaleString("en-US", { minimumFractionDigits: places, maximumFractionDigits: places });
  // Prices are whole to the cent, however high; sums of shares or dollars are not worth their digits.
  const price = (x) => {
    if (x == null) return "–";
    return Math.abs(x) >= 1 || x === 0 ? digits(x, 2) : x.toPrecision(4);
  };
  const number = (x) => {
    const size = Math.abs(x ?? 0);
    if (size >= 1e9) return digits(x / 1e9, 2) + "B";
    if (size >= 1e6) return digits(x / 1e6, 2) + "M";
    return size >= 1e4 ? digits(x, 0) : price(x);
  };
  const written = (place) => (place === 0 ? price : number);
  const priceFormat = (place) => ({ type: "custom", formatter: written(place), minMove: 1e-6 });

  // Sessions without a bar keep their place on the time axis, and stay empty.
  const holes = data.holes.map((time) => ({ time }));
  const inOrder = (points) => holes.concat(points).sort((a, b) => (a.time < b.time ? -1 : 1));
  const series = (values) =>
    inOrder(data.days.map((time, i) => (values[i] == null ? { time } : { time, value: values[i] })));

  const chart = L.createChart(box, { autoSize: true });
  let isLog = false;

  // The area between the edges of a band, under the lines.
  class Band {
    constructor(one, other) { this.edges = [one, other]; }
    paneViews() { return [this]; }
    zOrder() { return "bottom"; }
    renderer() { return this; }
    draw(target) {
      target.useBitmapCoordinateSpace(({ context, horizontalPixelRatio: h, verticalPixelRatio: v }) => {
        const time = chart.timeScale();
        const path = (edge, order) => order.flatMap((i) => {
          const x = time.timeToCoordinate(data.days[i]);
          const y = edge.values[i] == null || (isLog && edge.values[i] <= 0) ? null : edge.series.priceToCoordinate(edge.values[i]);
          return x == null || y == null ? [] : [[x * h, y * v]];
        });
        const order = data.days.map((_, i) => i);
        const points = path(this.edges[0], order).concat(path(this.edges[1], order.reverse()));
        if (points.length < 3) return;
        context.beginPath();
        for (const point of points) context.lineTo(...point);
        context.closePath();
        context.fillStyle = lineColor(this.edges[0].hue) + "1f";
        context.fill();
      });
    }
  }
  const quiet = (place) =>
    ({ priceFormat: priceFormat(place), priceLineVisible: false, lastValueVisible: false });

  const shade = data.held && chart.addSeries(L.HistogramSeries, { ...quiet(0), priceScaleId: "held" }, 0);
  if (shade) {
    shade.priceScale().applyOptions({ scaleMargins: { top: 0, bottom: 0 } });
    shade.applyOptions({ autoscaleInfoProvider: () => ({ priceRange: { minValue: 0, maxValue: 1 } }) });
    shade.setData(series(data.held.map((x) => (x === 1 ? 1 : null))));
  }
  const candles = chart.addSeries(
    L.CandlestickSeries, { priceFormat: priceFormat(0), priceLineVisible: false }, 0);
  candles.setData(inOrder(data.days.map((time, i) => (data.close[i] == null ? { time } : {
    time, open: data.open[i], high: data.high[i], low: data.low[i], close: data.close[i],
  }))));
  const volume = chart.addSeries(L.HistogramSeries, quiet(1), 1);

  // Lines on the candles and on the volume differ; panes below begin with the first colour again.
  let hue = 0;
  const drawn = data.panes.map((pane, place) => {
    if (place > 1) hue = 0;
    const hues = new Map();  // both edges of a band have one colour
    const lines = pane.lines.map((line) => {
      const bars = line.shape === "bars";
      const kind = bars ? L.HistogramSeries : L.LineSeries;
      const one = chart.addSeries(
        kind, bars ? quiet(place) : { ...quiet(place), lineWidth: 2, crosshairMarkerRadius: 3 }, place);
      if (!bars) one.setData(series(line.values));
      const known = line.band == null ? undefined : hues.get(line.band);
      const mine = known ?? hue++;
      if (line.band != null) hues.set(line.band, mine);
      return { ...line, series: one, hue: mine, bars };
    });
    for (const band of hues.keys()) {
      const [one, other] = lines.filter((line) => line.band === band);
      if (other) one.series.attachPrimitive(new Band(one, other));
    }
    const under = place === 0 ? candles : place === 1 ? volume : lines[0].series;
    const across = (style, axisLabelVisible) => (price) =>
      under.createPriceLine({ price, lineWidth: 1, lineStyle: style, axisLabelVisible });
    const levels = pane.levels.filter((price) => price != null).map(across(L.LineStyle.Dashed, true));
    const guides = pane.guides.map(across(L.LineStyle.Dotted, false));
    return { lines, levels: levels.concat(guides) };
  });

  const begins = data.days.filter((_, i) => data.held && data.held[i] === 1 && data.held[i - 1] !== 1);
  const marks = L.createSeriesMarkers(candles, []);
  const onBar = (day) => data.days.find((one) => one >= day);
  const EVENTS = {
    split: { position: "aboveBar", shape: "square", color: "mark", text: (x) => x.replace("split ", "") },
    dividend: { position: "aboveBar", shape: "circle", color: "level", text: () => "D" },
    suspicious: { position: "aboveBar", shape: "arrowDown", color: "down", text: () => "!" },
  };
  const events = data.events.map((event) => ({ ...event, time: onBar(event.day) })).filter((event) => event.time);
  const eventMarks = () => events.map(({ time, kind, text }) => {
    const { position, shape, color: name, text: written } = EVENTS[kind];
    return { time, position, shape, color: color(name), text: written(text), size: kind === "dividend" ? 0.6 : 1 };
  });

  const legends = [];
  const say = (at) => {
    legends.forEach((legend, place) => {
      const parts = [];
      if (place === 0) {
        parts.push([data.days[at], "text"]);
        for (const name of ["open", "high", "low", "close"]) parts.push([name + " " + price(data[name][at])]);
      }
      if (place === 1) parts.push(["volume " + number(data.volume[at])]);
      if (place === 0)
        for (const event of events) if (event.time === data.days[at]) parts.push([event.text, EVENTS[event.kind].color]);
      for (const line of drawn[place].lines)
        parts.push([line.label + " " + written(place)(line.values[at]), "line-" + (line.hue % 6)]);
      legend.replaceChildren(...parts.map(([text, name]) => {
        const span = document.createElement("span");
        span.textContent = text;
        if (name) span.style.color = "var(--" + name + ")";
        return span;
      }));
    });
  };

  const paint = () => {
    const [up, down, edge, level] = ["up", "down", "edge", "level"].map(color);
    const shades = { color: color("grid") };
    chart.applyOptions({
      layout: {
        background: { color: color("back") }, textColor: color("dim"), attributionLogo: true,
        panes: { separatorColor: edge, separatorHoverColor: edge },
      },
      grid: { vertLines: shades, horzLines: shades },
      crosshair: { mode: L.CrosshairMode.Normal },
      rightPriceScale: { borderColor: edge, minimumWidth: 78 },
      timeScale: { borderColor: edge, maxBarSpacing: 40 },
    });
    candles.applyOptions({
      upColor: up, downColor: down, borderVisible: false, wickUpColor: up, wickDownColor: down,
    });
    if (shade) shade.applyOptions({ color: color("held") });
    volume.setData(inOrder(data.days.map((time, i) => ({
      time, value: data.volume[i] ?? 0, color: (data.close[i] >= data.open[i] ? up : down) + "80",
    }))));
    for (const pane of drawn) {
      for (const line of pane.lines) {
        if (!line.bars) line.series.applyOptions({ color: lineColor(line.hue) });
        else line.series.setData(inOrder(data.days.map((time, i) => (line.values[i] == null ? { time } : {
          time, value: line.values[i], color: (line.values[i] >= 0 ? up : down) + "b0",
        }))));
      }
      for (const one of pane.levels) one.applyOptions({ color: level, axisLabelColor: level });
    }
    const held = begins.map((time) => ({ time, position: "belowBar", shape: "arrowUp", color: color("mark") }));
    marks.setMarkers(held.concat(eventMarks()).sort((a, b) => (a.time < b.time ? -1 : 1)));
  };

  // Ranges, and the scale: logarithmic where the prices are that far apart.
  const tools = document.getElementById("tools");
  const button = (text, title, click) => {
    const one = document.createElement("button");
    Object.assign(one, { type: "button", textContent: text, title });
    one.addEventListener("click", () => click(one));
    tools.append(one);
    return one;
  };
  const press = (chosen, all) => all.forEach((one) => one.setAttribute("aria-pressed", String(one === chosen)));
  const slots = data.days.length + data.holes.length;
  const ranges = [["1M", 21], ["3M", 63], ["6M", 126], ["1Y", 252], ["2Y", 504]].filter(([, bars]) => bars < slots);
  const choices = [...ranges, ["All", slots]].map(([text, bars]) =>
    button(text, `show ${bars} sessions`, (one) => {
      press(one, choices);
      chart.timeScale().setVisibleLogicalRange({ from: slots - bars - 0.5, to: slots + 1 });
    }));
  press(choices[choices.length - 1], choices);
  const known = (values) => values.filter((x) => x > 0);
  const low = Math.min(...known(data.low)), high = Math.max(...known(data.high));
  isLog = high / low > 4;
  const scaled = (one) => {
    // A logarithmic scale has no place for what is not above 0.
    for (const line of drawn[0].lines)
      if (!line.bars) line.series.setData(series(line.values.map((x) => (isLog && x <= 0 ? null : x))));
    candles.priceScale().applyOptions({ mode: isLog ? L.PriceScaleMode.Logarithmic : L.PriceScaleMode.Normal });
    one.setAttribute("aria-pressed", String(isLog));
  };
  scaled(button("Log", "logarithmic scale", (one) => { isLog = !isLog; scaled(one); }));
  addEventListener("keydown", (event) => {
    if (event.target.closest?.("input, select") || event.altKey || event.ctrlKey || event.metaKey) return;
    document.querySelector(`nav a[data-key="${event.key}"]`)?.click();
  });

  // No candle lies under a legend, however many lines it takes.
  const makeRoom = () => legends.forEach((legend, place) => {
    const height = legend.parentElement.clientHeight;
    if (!height) return;
    const top = Math.min(0.6, (legend.offsetHeight + 8) / height);
    chart.priceScale("right", place).applyOptions({ scaleMargins: { top, bottom: place === 1 ? 0 : 0.06 } });
  });

  paint();
  chart.panes().forEach((pane, place) => pane.setStretchFactor(place === 0 ? 380 : 120));
  chart.timeScale().fitContent();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", paint);
  requestAnimationFrame(() => {
    for (const pane of chart.panes()) {
      const cell = pane.getHTMLElement().querySelectorAll("td")[1];
      const legend = document.createElement("div");
      legend.className = "legend";
      cell.style.position = "relative";
      cell.append(legend);
      legends.push(legend);
    }
    say(data.days.length - 1);
    makeRoom();
    new ResizeObserver(makeRoom).observe(box);
    document.body.dataset.drawn = String(chart.panes().length);
  });
  const places = new Map(data.days.map((day, i) => [day, i]));
  chart.subscribeCrosshairMove((move) => say(places.get(move.time) ?? data.days.length - 1));
})();
