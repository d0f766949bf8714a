// What a U-Net does to shapes: `pixelwise.UNet.describe` and more, for square images and without any weights.
//
// `settings` are those of `pixelwise.UNet`: in_channels, num_classes, base_channels, depth, padding, copy_paths.
// Levels count from 0, where nothing has been pooled yet.

/**
 * The image and what every layer puts out, in the order of the forward pass.
 *
 * Each has its `part` and `operation` as `UNet.describe` names them, `level`, `from` (positions of what it reads),
 * `inputs` and `channels`, `size` (height and width), `parameters`, `multiplyAdds` (biases not counted) and
 * `receptiveField`: how many pixels of the image, along one side, can change one of its numbers. Away from the
 * border, that is; in the expanding path positions differ by a few pixels, and it is the most.
 *
 * `broken` is the position of the first layer that cannot do its work, or null: a pooling that meets an odd
 * size, or a convolution that leaves nothing. Behind it, sizes mean nothing.
 */
export function describeUNet(settings, size) {
  const { in_channels, num_classes, base_channels, depth, padding, copy_paths } = settings;
  const layers = [{
    part: "image", operation: "image", level: 0, from: [], inputs: 0, channels: in_channels, size, cut: 0,
    parameters: 0, multiplyAdds: 0, seen: Array.from({ length: 2 ** depth }, (_, p) => [p, p]),
  }];
  const channelsAt = (level) => base_channels * 2 ** level;
  /** First and last pixel of the image that position `p` of a layer sees; p may be any whole number. */
  const seenAt = ({ seen }, p) => {
    const shift = Math.floor(p / seen.length);
    return seen[p - shift * seen.length].map((pixel) => pixel + shift * 2 ** depth);
  };
  const add = (part, operation, level, channels, from, { size, weights = 0, side = 1, reads, cut = 0 }) => {
    const inputs = from.reduce((sum, k) => sum + layers[k].channels, 0);
    const seen = Array.from({ length: 2 ** (depth - level) }, (_, p) => {
      const ends = reads(p).map(([k, q]) => seenAt(layers[k], q));
      return [Math.min(...ends.map(([low]) => low)), Math.max(...ends.map(([, high]) => high))];
    });
    // an up-convolution multiplies once for each of its outputs: its 2 × 2 copies never overlap
    const products = operation === "up-convolution (transposed)" ? 1 : side * side;
    return layers.push({
      part, operation, level, from, inputs, channels, size, cut, side, seen,
      parameters: weights ? side * side * inputs * channels + channels : 0,
      multiplyAdds: weights ? products * inputs * channels * size * size : 0,
    }) - 1;
  };
  const convolution = (part, level, channels, from) =>
    add(part, "convolution 3 × 3", level, channels, [from], {
      size: layers[from].size - 2 + 2 * padding, weights: 1, side: 3,
      reads: (p) => [[from, p - padding], [from, p - padding + 2]],
    });
  const two = (part, level, from) =>
    convolution(part, level, channelsAt(level), convolution(part, level, channelsAt(level), from));

  const copied = [];
  let last = 0;
  for (let level = 0; level < depth; level++) {
    const from = two("contracting path", level, last);
    copied.push(from);
    last = add("contracting path", "max pooling 2 × 2", level + 1, channelsAt(level), [from], {
      size: Math.floor(layers[from].size / 2), reads: (p) => [[from, 2 * p], [from, 2 * p + 1]],
    });
  }
  last = two("bottom", depth, last);
  for (let level = depth - 1; level >= 0; level--) {
    const from = last;
    const up = add("up-convolutions", "up-convolution (transposed)", level, channelsAt(level), [from], {
      size: 2 * layers[from].size, weights: 1, side: 2, reads: (p) => [[from, Math.floor(p / 2)]],
    });
    last = up;
    if (copy_paths) {
      const copy = copied[level];
      const cut = Math.floor((layers[copy].size - layers[up].size) / 2);
      last = add("expanding path", "copy and crop", level, 2 * channelsAt(level), [copy, up], {
        size: layers[up].size, cut, reads: (p) => [[copy, p + cut], [up, p]],
      });
    }
    last = two("expanding path", level, last);
  }
  const features = last;
  add("head", "convolution 1 × 1", 0, num_classes, [features], {
    size: layers[features].size, weights: 1, side: 1, reads: (p) => [[features, p]],
  });

  const breaks = ({ operation, from, size: left }) => left < 1 || (operation.startsWith("max pooling") && layers[from[0]].size % 2 === 1);
  const broken = layers.findIndex((layer) => breaks(layer));
  return {
    layers: layers.map(({ seen, ...layer }) => ({ ...layer, receptiveField: Math.max(...seen.map(([low, high]) => high - low + 1)) })),
    broken: broken < 0 ? null : broken,
  };
}

/** Whether the network takes images of this height and width: every pooling meets an even size, something is left. */
export function takes({ depth, padding }, size) {
  const takenOff = 4 * (1 - padding); // by two convolutions
  let left = size;
  for (let level = 0; level < depth; level++) {
    left -= takenOff;
    if (left < 2 || left % 2) return false;
    left /= 2;
  }
  left -= takenOff;
  for (let level = 0; level < depth; level++) left = 2 * left - takenOff;
  return left > 0;
}

/** The next legal sizes: [the one below or null, the one above]. */
export function nearestLegal(settings, size) {
  let below = size - 1;
  while (below > 0 && !takes(settings, below)) below--;
  let above = size + 1;
  while (!takes(settings, above)) above++;
  return [below > 0 ? below : null, above];
}

/**
 * The steps in which the network is built: for each, the positions of the layers that it adds.
 *
 * Step 0 is the image. What is new gets a step of its own; a further level, which repeats it, is one step. The
 * paper's network takes 13.
 */
export function buildSteps(layers) {
  const steps = [];
  const known = new Set();
  let repeats = false;
  layers.forEach(({ operation }, k) => {
    if (operation === layers[k - 1]?.operation) return steps.at(-1).push(k); // the second of two convolutions
    const leadsToALevel = operation.startsWith("max pooling") || operation.startsWith("up-convolution");
    if (leadsToALevel) repeats = known.has(operation);
    if (repeats && !leadsToALevel && k < layers.length - 1) steps.at(-1).push(k);
    else steps.push([k]);
    return known.add(operation);
  });
  return steps;
}
