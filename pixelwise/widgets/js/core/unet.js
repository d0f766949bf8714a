// The forward pass of a U-Net that keeps the size of its image (padding 1), in plain JavaScript: no DOM.
//
// Every layer has an output buffer of its own, made once for an image size: a pass allocates nothing, and after
// it the features of any layer can be looked at. Buffers are planes, one a channel, with a border of one zero
// pixel, which is the padding of the convolution that reads them.
//
// What makes it fast, each of it measured: numbers are doubles, which spares the processor the conversion from
// and to single precision; four output channels share what is loaded of the input; and sums are taken in three
// parts, which the processor adds at the same time. Planes are counted in fours for that, those too many zero.

/** The number that 16 bits of half precision stand for (IEEE 754 binary16). */
export function fromHalf(bits) {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = (bits & 1023) / 1024;
  return exponent === 0 ? sign * 2 ** -14 * fraction : sign * 2 ** (exponent - 15) * (1 + fraction);
}

const inFours = (n) => (n + 3) & ~3;

// ---- layers ---------------------------------------------------------------------------------------------

/**
 * The layers of a network as `pixelwise.export` describes it, in the order of the forward pass.
 *
 * Each has a `name`, a `kind`, its `channels`, its `level` (how many times the image was halved) and where its
 * input comes from: `from`, positions in this list, −1 for the image. Where two come together the copied
 * features are first.
 */
export function layersOf({ in_channels, num_classes, base_channels, depth, upsampling, copy_paths }) {
  const layers = [];
  const add = (name, kind, channels, level, ...from) => layers.push({ name, kind, channels, level, from }) - 1;
  const channelsAt = (level) => base_channels * 2 ** level;
  const two = (part, level, ...from) =>
    add(`${part}, convolution 2`, "convolution", channelsAt(level), level, add(`${part}, convolution 1`, "convolution", channelsAt(level), level, ...from));
  const copied = [];
  let last = -1;
  for (let level = 0; level < depth; level++) {
    const part = `contracting path ${level + 1}`;
    copied.push(two(part, level, last));
    last = add(`${part}, max pooling`, "pooling", channelsAt(level), level + 1, copied[level]);
  }
  last = two("bottom", depth, last);
  for (let level = depth - 1; level >= 0; level--) {
    const part = `expanding path ${level + 1}`;
    if (upsampling === "bilinear") last = add(`${part}, 1 × 1 convolution`, "pointwise", channelsAt(level), level + 1, last);
    const up = add(`${part}, up-convolution`, upsampling, channelsAt(level), level, last);
    last = two(part, level, ...(copy_paths ? [copied[level]] : []), up);
  }
  add("scores", "pointwise", num_classes, 0, last);
  for (const layer of layers) layer.inputs = layer.from.reduce((sum, k) => sum + (k < 0 ? in_channels : layers[k].channels), 0);
  return layers;
}

/** The network with its weights, from its description and the bytes of `pixelwise.export`. */
export function readNetwork(description, bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const total = bytes.byteLength / 2;
  let position = 0;
  const take = (count) => {
    if (position + count > total) throw new Error(`the network needs more weights than the ${total} that were given`);
    return Float64Array.from({ length: count }, () => fromHalf(view.getUint16(2 * position++, true)));
  };
  const layers = layersOf(description).map((layer) => ({ ...layer, ...(WEIGHTS[layer.kind]?.(layer, take) ?? {}) }));
  if (position !== total) throw new Error(`the network has ${position} weights, but ${total} were given`);
  return { description, layers };
}

/** How each kind of layer lays its weights out for its loop: from PyTorch's order, in fours filled up with zeros. */
const WEIGHTS = {
  // (C_out, C_in, 3, 3) → [four outputs][input][output of the four][3 × 3]
  convolution({ channels, inputs }, take) {
    const [given, bias] = [take(channels * inputs * 9), take(channels)];
    const weight = new Float64Array(inFours(channels) * inputs * 9);
    for (let o = 0; o < channels; o++)
      for (let i = 0; i < inputs; i++)
        for (let k = 0; k < 9; k++) weight[((o >> 2) * inputs + i) * 36 + (o & 3) * 9 + k] = given[(o * inputs + i) * 9 + k];
    return { weight, bias: filledUp(bias) };
  },
  // (C_out, C_in, 1, 1) → [output][input]
  pointwise({ channels, inputs }, take) {
    const [given, bias] = [take(channels * inputs), take(channels)];
    const weight = new Float64Array(channels * inFours(inputs));
    for (let o = 0; o < channels; o++) weight.set(given.subarray(o * inputs, (o + 1) * inputs), o * inFours(inputs));
    return { weight, bias };
  },
  // (C_in, C_out, 2, 2) → [output][place in the 2 × 2][input], with a bias for each place
  transposed({ channels, inputs }, take) {
    const [given, bias] = [take(inputs * channels * 4), take(channels)];
    return spreading(channels, inputs, (o, place, i) => given[(i * channels + o) * 4 + place], (o) => bias[o]);
  },
  // a 1 × 1 convolution to four times the channels: (4 · C_out, C_in), the same but for the bias
  pixel_shuffle({ channels, inputs }, take) {
    const [given, bias] = [take(4 * channels * inputs), take(4 * channels)];
    return spreading(channels, inputs, (o, place, i) => given[(4 * o + place) * inputs + i], (o, place) => bias[4 * o + place]);
  },
};

function filledUp(bias) {
  const result = new Float64Array(inFours(bias.length));
  result.set(bias);
  return result;
}

function spreading(channels, inputs, weightAt, biasAt) {
  const [weight, bias] = [new Float64Array(channels * 4 * inFours(inputs)), new Float64Array(channels * 4)];
  for (let o = 0; o < channels; o++)
    for (let place = 0; place < 4; place++) {
      bias[4 * o + place] = biasAt(o, place);
      for (let i = 0; i < inputs; i++) weight[(4 * o + place) * inFours(inputs) + i] = weightAt(o, place, i);
    }
  return { weight, bias };
}

// ---- buffers and loops ----------------------------------------------------------------------------------

function planes(channels, height, width) {
  const stride = width + 2;
  const plane = (height + 2) * stride;
  // `first`: where the first pixel of a plane stands, behind its border
  return { channels, height, width, stride, plane, first: stride + 1, data: new Float64Array(inFours(channels) * plane) };
}

/** 3 × 3, then ReLU. The channels of all `sources` follow each other; a source that is null counts as zeros. */
function convolution(out, sources, widths, { weight, bias, inputs }) {
  const y = out.data;
  const { height, width, stride, plane } = out;
  for (let o = 0; o < out.channels; o += 4) {
    const y0 = o * plane, y1 = y0 + plane, y2 = y1 + plane, y3 = y2 + plane;
    for (let k = 0; k < 4; k++) {
      const start = y0 + k * plane + stride + 1;
      for (let r = 0; r < height; r++) y.fill(bias[o + k], start + r * stride, start + r * stride + width);
    }
    let block = (o >> 2) * inputs * 36;
    for (let s = 0; s < sources.length; s++) {
      if (sources[s] === null) block += widths[s] * 36;
      else for (let i = 0; i < widths[s]; i++, block += 36) accumulate(y, y0, y1, y2, y3, sources[s].data, i * plane, weight, block, height, width, stride);
    }
    for (let k = y0; k < y0 + 4 * plane; k++) if (y[k] < 0) y[k] = 0;
  }
}

/** Adds one input plane, convolved with four kernels, to four output planes. */
function accumulate(y, y0, y1, y2, y3, x, plane, w, k, height, width, stride) {
  const a0 = w[k], a1 = w[k + 1], a2 = w[k + 2], a3 = w[k + 3], a4 = w[k + 4], a5 = w[k + 5], a6 = w[k + 6], a7 = w[k + 7], a8 = w[k + 8];
  const b0 = w[k + 9], b1 = w[k + 10], b2 = w[k + 11], b3 = w[k + 12], b4 = w[k + 13], b5 = w[k + 14], b6 = w[k + 15], b7 = w[k + 16], b8 = w[k + 17];
  const c0 = w[k + 18], c1 = w[k + 19], c2 = w[k + 20], c3 = w[k + 21], c4 = w[k + 22], c5 = w[k + 23], c6 = w[k + 24], c7 = w[k + 25], c8 = w[k + 26];
  const d0 = w[k + 27], d1 = w[k + 28], d2 = w[k + 29], d3 = w[k + 30], d4 = w[k + 31], d5 = w[k + 32], d6 = w[k + 33], d7 = w[k + 34], d8 = w[k + 35];
  for (let r = 0; r < height; r++) {
    const top = plane + r * stride, middle = top + stride, bottom = middle + stride;
    const at = (r + 1) * stride + 1;
    // the window slides to the right: six of its nine numbers are still at hand
    let x0 = x[top], x1 = x[top + 1], x3 = x[middle], x4 = x[middle + 1], x6 = x[bottom], x7 = x[bottom + 1];
    for (let c = 0; c < width; c++) {
      const x2 = x[top + c + 2], x5 = x[middle + c + 2], x8 = x[bottom + c + 2];
      const p = at + c;
      y[y0 + p] += (a0 * x0 + a1 * x1 + a2 * x2) + (a3 * x3 + a4 * x4 + a5 * x5) + (a6 * x6 + a7 * x7 + a8 * x8);
      y[y1 + p] += (b0 * x0 + b1 * x1 + b2 * x2) + (b3 * x3 + b4 * x4 + b5 * x5) + (b6 * x6 + b7 * x7 + b8 * x8);
      y[y2 + p] += (c0 * x0 + c1 * x1 + c2 * x2) + (c3 * x3 + c4 * x4 + c5 * x5) + (c6 * x6 + c7 * x7 + c8 * x8);
      y[y3 + p] += (d0 * x0 + d1 * x1 + d2 * x2) + (d3 * x3 + d4 * x4 + d5 * x5) + (d6 * x6 + d7 * x7 + d8 * x8);
      x0 = x1; x1 = x2; x3 = x4; x4 = x5; x6 = x7; x7 = x8;
    }
  }
}

/** 1 × 1, without ReLU: four input planes at a time. */
function pointwise(out, [source], _widths, { weight, bias, inputs }) {
  const [x, y] = [source.data, out.data];
  const { height, width, stride, plane, first } = out;
  for (let o = 0; o < out.channels; o++)
    for (let i = 0; i < inputs; i += 4) {
      const k = o * inFours(inputs) + i;
      const w0 = weight[k], w1 = weight[k + 1], w2 = weight[k + 2], w3 = weight[k + 3];
      for (let r = 0; r < height; r++) {
        const to = o * plane + first + r * stride;
        const p0 = i * plane + first + r * stride, p1 = p0 + plane, p2 = p1 + plane, p3 = p2 + plane;
        for (let c = 0; c < width; c++)
          y[to + c] = (i ? y[to + c] : bias[o]) + (w0 * x[p0 + c] + w1 * x[p1 + c]) + (w2 * x[p2 + c] + w3 * x[p3 + c]);
      }
    }
}

/** A transposed convolution of 2 × 2 at stride 2: nothing overlaps, each output pixel has one input pixel. */
function spread(out, [source], _widths, { weight, bias, inputs }) {
  const [x, y] = [source.data, out.data];
  for (let o = 0; o < out.channels; o++)
    for (let place = 0; place < 4; place++)
      for (let i = 0; i < inputs; i += 4) {
        const k = (4 * o + place) * inFours(inputs) + i;
        const w0 = weight[k], w1 = weight[k + 1], w2 = weight[k + 2], w3 = weight[k + 3], b = bias[4 * o + place];
        for (let r = 0; r < source.height; r++) {
          const to = o * out.plane + out.first + (2 * r + (place >> 1)) * out.stride + (place & 1);
          const p0 = i * source.plane + source.first + r * source.stride;
          const p1 = p0 + source.plane, p2 = p1 + source.plane, p3 = p2 + source.plane;
          for (let c = 0; c < source.width; c++)
            y[to + 2 * c] = (i ? y[to + 2 * c] : b) + (w0 * x[p0 + c] + w1 * x[p1 + c]) + (w2 * x[p2 + c] + w3 * x[p3 + c]);
        }
      }
}

/** Twice the size by interpolation: ¾ of the nearest and ¼ of the next, in each direction; the border is repeated. */
function bilinear(out, [source]) {
  const [x, y] = [source.data, out.data];
  for (let o = 0; o < out.channels; o++)
    for (let r = 0; r < out.height; r++) {
      const near = o * source.plane + source.first + (r >> 1) * source.stride;
      const row = (r >> 1) + (r & 1 ? 1 : -1);
      const far = row < 0 || row >= source.height ? near : near + (row - (r >> 1)) * source.stride;
      const to = o * out.plane + out.first + r * out.stride;
      for (let c = 0; c < out.width; c++) {
        const a = c >> 1;
        const column = a + (c & 1 ? 1 : -1);
        const b = column < 0 || column >= source.width ? a : column;
        y[to + c] = 0.75 * (0.75 * x[near + a] + 0.25 * x[near + b]) + 0.25 * (0.75 * x[far + a] + 0.25 * x[far + b]);
      }
    }
}

/** The largest of each 2 × 2. */
function pooling(out, [source]) {
  const [x, y] = [source.data, out.data];
  for (let o = 0; o < out.channels; o++)
    for (let r = 0; r < out.height; r++) {
      const top = o * source.plane + source.first + 2 * r * source.stride, bottom = top + source.stride;
      const to = o * out.plane + out.first + r * out.stride;
      for (let c = 0; c < out.width; c++) {
        const left = x[top + 2 * c] > x[bottom + 2 * c] ? x[top + 2 * c] : x[bottom + 2 * c];
        const right = x[top + 2 * c + 1] > x[bottom + 2 * c + 1] ? x[top + 2 * c + 1] : x[bottom + 2 * c + 1];
        y[to + c] = left > right ? left : right;
      }
    }
}

const LOOPS = { convolution, pointwise, pooling, bilinear, transposed: spread, pixel_shuffle: spread };

// ---- the network at work --------------------------------------------------------------------------------

/**
 * The network for images of one size, with its buffers.
 *
 * `run(image, { copies })` takes C × H × W numbers from 0 to 1 and returns K × H × W scores, in an array that the
 * next run writes again. With `copies: false` the copied features are taken as zero. `inSteps` is the same as an
 * iterator that stops after every layer.
 * `feature(layer, channel)` is what a layer (its position) put out in the last run, as numbers row by row.
 */
export function prepare(network, height, width) {
  const { layers } = network;
  const { in_channels: channels, depth } = network.description;
  const multiple = 2 ** depth;
  if (height % multiple || width % multiple || height < multiple || width < multiple)
    throw new Error(`a U-Net of depth ${depth} takes heights and widths that are multiples of ${multiple}, not ${height} × ${width}`);
  const input = planes(channels, height, width);
  const buffers = layers.map(({ channels: count, level }) => planes(count, height >> level, width >> level));
  const sources = layers.map(({ from }) => from.map((k) => (k < 0 ? input : buffers[k])));
  const withoutCopies = sources.map((list) => (list.length === 2 ? [null, list[1]] : list));
  const widths = sources.map((list) => list.map((source) => source.channels));
  const scores = new Float64Array(layers.at(-1).channels * height * width);

  /** The channels of a buffer without their borders, from `channel` on. */
  const copyOut = (buffer, channel, result) => {
    const rows = result.length / buffer.width;
    for (let n = 0; n < rows; n++) {
      const start = (channel + Math.floor(n / buffer.height)) * buffer.plane + buffer.first + (n % buffer.height) * buffer.stride;
      for (let c = 0; c < buffer.width; c++) result[n * buffer.width + c] = buffer.data[start + c];
    }
    return result;
  };

  function* inSteps(image, { copies = true } = {}) {
    if (image.length !== channels * height * width) throw new Error(`the image has ${image.length} numbers, not ${channels} × ${height} × ${width}`);
    for (let i = 0, n = 0; i < channels; i++)
      for (let r = 0; r < height; r++) {
        const to = i * input.plane + input.first + r * input.stride;
        for (let c = 0; c < width; c++) input.data[to + c] = image[n++];
      }
    const read = copies ? sources : withoutCopies;
    for (let k = 0; k < layers.length; k++) {
      LOOPS[layers[k].kind](buffers[k], read[k], widths[k], layers[k]);
      yield k;
    }
    return copyOut(buffers.at(-1), 0, scores);
  }

  return {
    layers, height, width, inSteps,
    run(image, options) {
      const steps = inSteps(image, options);
      let step = steps.next();
      while (!step.done) step = steps.next();
      return step.value;
    },
    feature(layer, channel) {
      const buffer = buffers[layer];
      return { height: buffer.height, width: buffer.width, values: copyOut(buffer, channel, new Float64Array(buffer.height * buffer.width)) };
    },
  };
}

/** All of it in one call, in and out as plain arrays: the scores, and the features of the layers that are asked for. */
export function scoresOf(description, weights, image, height, width, { copies = true, layers = [] } = {}) {
  const net = prepare(readNetwork(description, Uint8Array.from(weights)), height, width);
  const scores = Array.from(net.run(image, { copies }));
  const features = layers.map((layer) => Array.from({ length: net.layers[layer].channels }, (_, channel) => Array.from(net.feature(layer, channel).values)));
  return { scores, features };
}
