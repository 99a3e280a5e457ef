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
    const lines = pane.lines.map((line) => {
      const one = chart.addSeries(
        L.LineSeries, { ...quiet(place), lineWidth: 2, crosshairMarkerRadius: 3 }, place);
      one.setData(series(line.values));
      return { ...line, series: one, hue: hue++ };
    });
    const under = place === 0 ? candles : place === 1 ? volume : lines[0].series;
    const levels = pane.levels.filter((price) => price != null).map((price) =>
      under.createPriceLine({ price, lineWidth: 1, lineStyle: L.LineStyle.Dashed, axisLabelVisible: true }));
    return { lines, levels };
  });

  const begins = data.days.filter((_, i) => data.held && data.held[i] === 1 && data.held[i - 1] !== 1);
  const marks = L.createSeriesMarkers(candles, []);

  const legends = [];
  const say = (at) => {
    legends.forEach((legend, place) => {
      const parts = [];
      if (place === 0) {
        parts.push([data.days[at], "text"]);
        for (const name of ["open", "high", "low", "close"]) parts.push([name + " " + price(data[name][at])]);
      }
      if (place === 1) parts.push(["volume " + number(data.volume[at])]);
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
      time, value: data.volume[i] ?? 0, color: color("volume"),
    }))));
    for (const pane of drawn) {
      for (const line of pane.lines) line.series.applyOptions({ color: lineColor(line.hue) });
      for (const one of pane.levels) one.applyOptions({ color: level, axisLabelColor: level });
    }
    marks.setMarkers(begins.map((time) => ({
      time, position: "belowBar", shape: "arrowUp", color: color("mark"),
    })));
  };

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
    document.body.dataset.drawn = String(chart.panes().length);
  });
  const places = new Map(data.days.map((day, i) => [day, i]));
  chart.subscribeCrosshairMove((move) => say(places.get(move.time) ?? data.days.length - 1));
})();
