// What one output of a stack of layers can see of the image, and what the stack costs: no DOM.
//
// Every layer keeps, halves or doubles the size, so that one dimension says all about two. A layer is one word:
//   conv     convolution 3, padding 1             strided  convolution 3, stride 2, padding 1
//   dilated  convolution 3, dilation 2, padding 2  pool     pooling 2, stride 2
//   up       transposed convolution 2, stride 2

/** kernel, stride and dilation of a layer; `up` doubles. */
export const KINDS = {
  conv: { name: "convolution 3 × 3", kernel: 3, stride: 1, dilation: 1 },
  strided: { name: "convolution 3 × 3, stride 2", kernel: 3, stride: 2, dilation: 1 },
  dilated: { name: "convolution 3 × 3, dilation 2", kernel: 3, stride: 1, dilation: 2 },
  pool: { name: "pooling 2 × 2", kernel: 2, stride: 2, dilation: 1 },
  up: { name: "up-convolution 2 × 2", kernel: 2, stride: 2, dilation: 1 },
};
export const SIDE = 64;
export const MOST_LAYERS = 16;
const MOST_HALVINGS = 4;

/** The layers that a text names, as far as they make sense: at most 4 halvings, never larger than the image. */
export function readLayers(text) {
  const layers = [];
  let halvings = 0;
  for (const word of text.split(/\s+/)) {
    if (!(word in KINDS) || layers.length === MOST_LAYERS) continue;
    const change = word === "up" ? -1 : KINDS[word].stride - 1;
    if (halvings + change < 0 || halvings + change > MOST_HALVINGS) continue;
    halvings += change;
    layers.push(word);
  }
  return layers;
}

/** Whether a layer may follow. */
export const mayFollow = (layers, word) => readLayers([...layers, word].join(" ")).length > layers.length;

/** How many cells of the image lie between neighbours: after each layer, the image first. */
export function jumps(layers) {
  const found = [1];
  for (const word of layers) found.push(word === "up" ? found.at(-1) / 2 : found.at(-1) * KINDS[word].stride);
  return found;
}

/** The cells that cell i of a layer's output reads, one to each weight of the kernel. */
export function reads(word, i) {
  const { kernel, stride, dilation } = KINDS[word];
  if (word === "up") return [Math.floor(i / 2)];
  const first = stride * i - (word === "pool" ? 0 : dilation);
  return Array.from({ length: kernel }, (_, u) => first + dilation * u);
}

/**
 * What an output sees at every depth, the image first: a Map from each cell to the number of paths that lead from it to
 * the output. Cells may lie beyond the border, where the padding is.
 */
export function trace(layers, output) {
  const seen = [new Map([[output, 1]])];
  for (const word of [...layers].reverse()) {
    const below = new Map();
    for (const [cell, paths] of seen[0]) for (const source of reads(word, cell)) below.set(source, (below.get(source) ?? 0) + paths);
    seen.unshift(below);
  }
  return seen;
}

/** From the first cell seen to the last. */
export const extent = (cells) => {
  const places = [...cells.keys()];
  return [Math.min(...places), Math.max(...places)];
};

/** The side of the square that a cell of the middle sees, after each layer, the image first. */
export const fields = (layers) =>
  [0, ...layers].map((_, depth) => {
    const first = layers.slice(0, depth);
    const widths = Array.from({ length: SIDE / jumps(first).at(-1) }, (_, i) => extent(trace(first, i)[0])).map(([a, b]) => b - a + 1);
    return Math.max(...widths);
  });

/**
 * Multiply-adds, parameters and bytes of activations (float32, all that the layers put out and the image) for an
 * image of `size` × `size` × 3 and 4 classes, which a 1 × 1 convolution scores at the end.
 */
export function cost(layers, { size, channels, doubling }) {
  let [cells, now, level] = [size, 3, 0];
  const total = { multiplyAdds: 0, parameters: 0, bytes: 4 * 3 * size * size };
  const add = (weights, products, out) => {
    total.parameters += weights ? weights + out : 0;
    total.multiplyAdds += products;
    total.bytes += 4 * cells * cells * out;
    now = out;
  };
  for (const word of layers) {
    const { kernel, stride } = KINDS[word];
    level += word === "up" ? -1 : stride - 1;
    cells = word === "up" ? cells * 2 : cells / stride;
    const out = doubling ? channels * 2 ** level : channels;
    if (word === "pool") add(0, 0, now);
    else if (word === "up") add(4 * now * out, cells * cells * now * out, out); // one weight a pair of channels and cell
    else add(kernel ** 2 * now * out, cells * cells * kernel ** 2 * now * out, out);
  }
  add(now * 4, cells * cells * now * 4, 4);
  return total;
}

/** How many convolutions of 3 × 3 at full resolution see as far. */
export const flatDepth = (field) => Math.ceil((field - 1) / 2);

/** The cells of the image that an output sees, each with its number of paths. */
export const pathsOf = (layers, output) => [...trace(layers, output)[0]];
