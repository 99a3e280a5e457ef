// The chart of a symbol, by Lightweight Charts: candles, volume, and the lines of the condition in their panes.
import { canonical } from "/page/js/condition/language.js";
import { el, price, short } from "/page/js/dom.js";

const color = (name) => getComputedStyle(document.documentElement).getPropertyValue("--" + name).trim();
const lineColor = (hue) => color("line-" + (hue % 6));
const written = (place) => (place === 0 ? price : short);

let library = null;
/** Loads the chart library when the first chart is shown. */
export function loadLibrary() {
  library ??= new Promise((resolve, reject) => {
    document.head.append(el("script", {
      src: "/page/vendor/lightweight-charts.js",
      onload: () => resolve(window.LightweightCharts),
      onerror: () => { library = null; reject(new Error("the chart library did not load")); },
    }));
  });
  return library;
}

const EVENTS = {
  split: { position: "aboveBar", shape: "square", color: "accent", text: (x) => x.replace("split ", "") },
  dividend: { position: "aboveBar", shape: "circle", color: "level", text: () => "D" },
  suspicious: { position: "aboveBar", shape: "arrowDown", color: "down", text: () => "!" },
};

const LEAST = { price: 120, volume: 40, other: 60 }; // pixels; a chart with many panes scrolls
const MOST_SAID = 12; // values in a legend

/** Draws `data` into `box`; `hues` gives the colours that expressions have in the table. */
export async function drawChart(box, data, hues, cancelled) {
  const L = await loadLibrary();
  if (cancelled?.()) return null;
  box.replaceChildren();
  // The logo would add a style element, which the page's policy forbids: the notice is in the footer.
  const sheet = el("div", { class: "sheet" });
  const least = LEAST.price + LEAST.volume + LEAST.other * Math.max(0, data.panes.length - 2);
  sheet.style.minHeight = `${least}px`;
  box.append(sheet);
  const scrolls = least > box.clientHeight;
  box.tabIndex = scrolls ? 0 : -1;
  const chart = L.createChart(sheet, {
    autoSize: true, layout: { attributionLogo: false }, handleScale: { mouseWheel: !scrolls },
  });
  // Sessions without a bar keep their place on the time axis, and stay empty.
  const holes = (data.holes ?? []).map((time) => ({ time }));
  const inOrder = (points) => holes.concat(points).sort((a, b) => (a.time < b.time ? -1 : 1));
  const series = (values) =>
    inOrder(data.days.map((time, i) => (values[i] == null ? { time } : { time, value: values[i] })));
  const quiet = (place) => ({
    priceFormat: { type: "custom", formatter: written(place), minMove: 1e-6 },
    priceLineVisible: false, lastValueVisible: false,
  });
  const known = (values) => values.filter((x) => x > 0);
  const isLog = Math.max(...known(data.high)) / Math.min(...known(data.low)) > 4;

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
          const value = edge.values[i];
          const y = value == null || (isLog && value <= 0) ? null : edge.series.priceToCoordinate(value);
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

  // The days on which the condition held, as areas behind the candles.
  class Shade {
    paneViews() { return [this]; }
    zOrder() { return "bottom"; }
    renderer() { return this; }
    draw(target) {
      target.useBitmapCoordinateSpace(({ context, bitmapSize, horizontalPixelRatio: h }) => {
        const time = chart.timeScale();
        const half = time.options().barSpacing / 2;
        context.fillStyle = color("held");
        for (let i = 0; i < data.held.length; i++) {
          if (data.held[i] !== 1) continue;
          const first = i;
          while (data.held[i + 1] === 1) i++;
          const [from, to] = [first, i].map((at) => time.timeToCoordinate(data.days[at]));
          if (from == null || to == null) continue;
          const left = Math.round((from - half) * h);
          context.fillRect(left, 0, Math.max(h, Math.round((to + half) * h) - left), bitmapSize.height);
        }
      });
    }
  }

  const candles = chart.addSeries(L.CandlestickSeries, { ...quiet(0), lastValueVisible: true }, 0);
  candles.setData(inOrder(data.days.map((time, i) => (data.close[i] == null ? { time } : {
    time, open: data.open[i], high: data.high[i], low: data.low[i], close: data.close[i],
  }))));
  if (data.held) candles.attachPrimitive(new Shade());
  const volume = chart.addSeries(L.HistogramSeries, quiet(1), 1);

  // An expression has the colour of its column; others take the next colours that are free.
  const colours = new Map();
  for (const [expression, hue] of hues) {
    colours.set(canonical(expression), hue);
    const now = canonical(expression.replace(/(\[[^\]]*\]\s*)+$/, "")); // the chart has no line for an offset
    if (!colours.has(now)) colours.set(now, hue);
  }
  let free = hues.size;
  const drawn = data.panes.map((pane, place) => {
    const bands = new Map(); // both edges of a band have one colour
    const lines = pane.lines.map((line) => {
      const bars = line.shape === "bars";
      const hue = colours.get(canonical(line.label)) ?? bands.get(line.band) ?? free++;
      if (line.band != null) bands.set(line.band, hue);
      const one = chart.addSeries(
        bars ? L.HistogramSeries : L.LineSeries,
        bars ? quiet(place) : { ...quiet(place), lineWidth: 2, crosshairMarkerRadius: 3 }, place);
      if (!bars) one.setData(series(line.values.map((x) => (place === 0 && isLog && x <= 0 ? null : x))));
      return { ...line, series: one, hue, bars };
    });
    for (const band of bands.keys()) {
      const [one, other] = lines.filter((line) => line.band === band);
      if (other) one.series.attachPrimitive(new Band(one, other));
    }
    const under = place === 0 ? candles : place === 1 ? volume : lines[0]?.series;
    const across = (style, axisLabelVisible) => (level) =>
      under.createPriceLine({ price: level, lineWidth: 1, lineStyle: style, axisLabelVisible });
    const levels = under ? (pane.levels ?? []).filter((x) => x != null).map(across(L.LineStyle.Dashed, true)) : [];
    const guides = under ? (pane.guides ?? []).map(across(L.LineStyle.Dotted, false)) : [];
    return { lines, levels: levels.concat(guides) };
  });

  chart.priceScale("right", 0).applyOptions({ mode: isLog ? L.PriceScaleMode.Logarithmic : L.PriceScaleMode.Normal });
  const marks = L.createSeriesMarkers(candles, []);
  const onBar = (day) => data.days.find((one) => one >= day);
  const events = (data.events ?? []).map((event) => ({ ...event, time: onBar(event.day) }))
    .filter((event) => event.time && EVENTS[event.kind]);

  function paint() {
    const [up, down, edge, level] = ["up", "down", "edge", "level"].map(color);
    const grid = { color: color("grid") };
    chart.applyOptions({
      layout: {
        background: { color: color("back") }, textColor: color("dim"), fontSize: 11,
        panes: { separatorColor: edge, separatorHoverColor: edge },
      },
      grid: { vertLines: grid, horzLines: grid },
      crosshair: { mode: L.CrosshairMode.Normal },
      rightPriceScale: { borderColor: edge, minimumWidth: 64 },
      timeScale: { borderColor: edge, maxBarSpacing: 40 },
    });
    candles.applyOptions({ upColor: up, downColor: down, borderVisible: false, wickUpColor: up, wickDownColor: down });
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
    marks.setMarkers(events.map(({ time, kind, text }) => {
      const { position, shape, color: name, text: say } = EVENTS[kind];
      return { time, position, shape, color: color(name), text: say(text), size: kind === "dividend" ? 0.6 : 1 };
    }).sort((a, b) => (a.time < b.time ? -1 : 1)));
  }

  // A legend in each pane follows the crosshair.
  const legends = [];
  const places = new Map(data.days.map((day, i) => [day, i]));
  function say(at) {
    legends.forEach((legend, place) => {
      const parts = [];
      if (place === 0) {
        parts.push([data.days[at], "text"]);
        for (const name of ["open", "high", "low", "close"]) parts.push([`${name[0].toUpperCase()} ${price(data[name][at])}`]);
        for (const event of events) if (event.time === data.days[at]) parts.push([event.text, EVENTS[event.kind].color]);
        if (data.held?.[at] === 1) parts.push(["condition holds", "accent-text"]);
      }
      if (place === 1) parts.push(["volume " + short(data.volume[at])]);
      for (const line of drawn[place]?.lines ?? [])
        parts.push([`${line.label} ${written(place)(line.values[at])}`, "line-" + (line.hue % 6)]);
      const more = parts.length - MOST_SAID;
      if (more > 0) parts.splice(MOST_SAID, more, [`and ${more} more`]);
      legend.replaceChildren(...parts.map(([text, name]) => {
        const span = el("span", {}, text);
        if (name) span.style.color = `var(--${name})`;
        return span;
      }));
    });
  }

  paint();
  const panes = chart.panes();
  panes.forEach((pane, place) => pane.setStretchFactor(place === 0 ? 320 : place === 1 ? 70 : 100));
  chart.timeScale().fitContent();
  // No candle lies under a legend, however many lines it takes.
  const makeRoom = () => legends.forEach((legend, place) => {
    const height = legend.parentElement?.clientHeight;
    if (!height) return;
    const top = Math.min(0.6, (legend.offsetHeight + 8) / height);
    chart.priceScale("right", place).applyOptions({ scaleMargins: { top, bottom: place === 1 ? 0 : 0.06 } });
  });
  const watch = new ResizeObserver(makeRoom);
  requestAnimationFrame(() => {
    if (cancelled?.() || !box.isConnected) return;
    for (const pane of panes) {
      const cell = pane.getHTMLElement()?.querySelectorAll("td")[1];
      if (!cell) continue;
      const legend = el("div", { class: "legend" });
      cell.style.position = "relative";
      cell.append(legend);
      legends.push(legend);
    }
    say(data.days.length - 1);
    makeRoom();
    watch.observe(box);
    box.dataset.drawn = data.symbol;
  });
  chart.subscribeCrosshairMove((move) => say(places.get(move.time) ?? data.days.length - 1));
  const root = document.documentElement;
  root.addEventListener("themechange", paint);
  return {
    destroy() {
      root.removeEventListener("themechange", paint);
      watch.disconnect();
      chart.remove();
    },
  };
}
