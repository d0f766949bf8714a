// Softmax and cross entropy of pixels with k scores each, and the gradient of the loss with respect to the scores.

/** log Σ exp(s). The largest score is taken out first, so that no exponential overflows. */
export function logSumExp(scores) {
  const largest = Math.max(...scores);
  return largest + Math.log(scores.reduce((sum, score) => sum + Math.exp(score - largest), 0));
}

/** The probabilities that the scores of one pixel stand for. */
export function softmax(scores) {
  const total = logSumExp(scores);
  return scores.map((score) => Math.exp(score - total));
}

/**
 * What the scores of one pixel say and cost: `probabilities`, `loss` = −weight · log p(label) and its `gradient`
 * with respect to the scores, weight · (softmax − one-hot). A label that is no class is void: it costs nothing.
 */
export function pixelLoss(scores, label, weight = 1) {
  const total = logSumExp(scores);
  const probabilities = softmax(scores);
  if (!(label in scores)) return { probabilities, loss: 0, gradient: scores.map(() => 0), weight: 0 };
  return {
    probabilities, weight,
    loss: weight * (total - scores[label]),
    gradient: probabilities.map((p, k) => weight * (p - (k === label ? 1 : 0))),
  };
}

/**
 * The loss of a map: `scores` K × H × W, `target` H × W of labels, one weight a class.
 * `sum` and `mean` are those of `torch.nn.functional.cross_entropy`: the mean divides by the sum of the weights that
 * counted, and is NaN where none did. `counted` is the number of pixels with a label.
 */
export function mapLoss(scores, target, weights) {
  const pixels = target.map((row, i) => row.map((label, j) => pixelLoss(scores.map((plane) => plane[i][j]), label, weights[label])));
  const all = pixels.flat();
  const sum = all.reduce((total, pixel) => total + pixel.loss, 0);
  const weight = all.reduce((total, pixel) => total + pixel.weight, 0);
  return { pixels, sum, weight, mean: sum / weight, counted: target.flat().filter((label) => label in scores).length };
}

/** One step of gradient descent with learning rate 1 on the scores of one pixel. */
export function descend(scores, label, weight = 1) {
  const { gradient } = pixelLoss(scores, label, weight);
  return scores.map((score, k) => score - gradient[k]);
}
