// Convolution as deep learning says it, which is cross-correlation; the arithmetic alone: no DOM.
//
// x       input,  [channel][row][column]; `padded` is the same with its frame of zeros
// weight  kernel, [out channel][in channel][row][column]; PyTorch's layout
// Rows and columns of the input count on the padded input.

/** Length of the output along one dimension: ⌊(n + 2 · padding − k) / stride⌋ + 1. */
export const convolutionSize = (n, k, stride = 1, padding = 0) => Math.floor((n + 2 * padding - k) / stride) + 1;

/** A plane [row][column] with `padding` zeros on every side. */
export function pad(plane, padding) {
  const zeros = (n) => Array(n).fill(0);
  const width = plane[0].length + 2 * padding;
  const frame = () => Array.from({ length: padding }, () => zeros(width));
  return [...frame(), ...plane.map((row) => [...zeros(padding), ...row, ...zeros(padding)]), ...frame()];
}

/** The products that output cell (row, column) of channel o adds up: channel by channel, then row by row of the kernel. */
export const productsOf = (padded, weight, o, row, column, stride = 1) =>
  padded.flatMap((plane, c) =>
    weight[o][c].flatMap((weights, u) =>
      weights.map((w, v) => {
        const [i, j] = [row * stride + u, column * stride + v];
        return { c, o, u, v, i, j, row, column, x: plane[i][j], w, product: plane[i][j] * w };
      })));

/** The rows and columns of output, [rows, columns], for an input of height × width. */
const sizeOf = (height, width, kH, kW, { stride = 1, padding = 0 }) =>
  [convolutionSize(height, kH, stride, padding), convolutionSize(width, kW, stride, padding)];

/** Every output position that reads cell (i, j) of the padded input, and the place of the weight with which it does. */
export function readersOf(i, j, height, width, kH, kW, { stride = 1, padding = 0 } = {}) {
  const [rows, columns] = sizeOf(height, width, kH, kW, { stride, padding });
  const readers = [];
  for (let row = 0; row < rows; row++)
    for (let column = 0; column < columns; column++) {
      const [u, v] = [i - row * stride, j - column * stride];
      if (u >= 0 && v >= 0 && u < kH && v < kW) readers.push({ row, column, u, v });
    }
  return readers;
}

/** How many windows read each cell of the padded input, [row][column]. */
export const readCounts = (height, width, kH, kW, { stride = 1, padding = 0 } = {}) =>
  Array.from({ length: height + 2 * padding }, (_, i) =>
    Array.from({ length: width + 2 * padding }, (_, j) => readersOf(i, j, height, width, kH, kW, { stride, padding }).length));

/** The operation itself, [o][row][column]: torch.nn.functional.conv2d for one image. */
export function convolution(x, weight, { stride = 1, padding = 0 } = {}) {
  const padded = x.map((plane) => pad(plane, padding));
  const [rows, columns] = sizeOf(x[0].length, x[0][0].length, weight[0][0].length, weight[0][0][0].length, { stride, padding });
  const sumAt = (kernels, row, column) => {
    let sum = 0; // in plain loops: a page computes it at every step
    kernels.forEach((kernel, c) => {
      for (let u = 0; u < kernel.length; u++)
        for (let v = 0; v < kernel[u].length; v++) sum += padded[c][row * stride + u][column * stride + v] * kernel[u][v];
    });
    return sum;
  };
  return weight.map((kernels) =>
    Array.from({ length: rows }, (_, row) => Array.from({ length: columns }, (_, column) => sumAt(kernels, row, column))));
}
