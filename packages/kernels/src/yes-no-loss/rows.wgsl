// Losses on the answer's logits, one row per invocation: loss, score, and what the gradient needs (scalars).
// The score ranks rows: z_yes − z_no, the log-odds of p_yes / (p_yes + p_no); under YES_LOGIT_BCE z_yes alone.
//
// Write a = z_yes, b = z_no and R = log Σ exp of all other logits (rest). With p the softmax over the whole vocabulary,
//   p_yes = σ(u_yes), u_yes = a − log(e^b + e^R);   p_no = σ(u_no), u_no = b − log(e^a + e^R),
// so every −log p and −log(1 − p) is a softplus of ±u and nothing under- or overflows. y is the label.
//   EQ5           BCE(p_yes, y) + BCE(p_no, 1 − y) + k·softplus(−s·advantage), s = ±1 (+ for y = 1),
//                 advantage = p_yes − p_no, or a − b with BPR_ON_LOGIT             (paper, eq. 5)
//   YES_LOGIT_BCE y·softplus(−a) + (1 − y)·softplus(a)                             (CoLLM)
//   ANSWER_CE     softplus(−u_yes) for y = 1, softplus(−u_no) for y = 0
//
// Gradients, with g_yes = ∂loss/∂u_yes and g_no = ∂loss/∂u_no:
//   ∂u_yes/∂a = 1, ∂u_yes/∂z_j = −exp(z_j − log(e^b + e^R)) for every other j, b among them; likewise u_no. Hence
//   ∂loss/∂a = g_yes − g_no·exp(a − log(e^a + e^R)),   ∂loss/∂b = g_no − g_yes·exp(b − log(e^b + e^R)),
//   ∂loss/∂z_j = exp(z_j − R)·c with c = −g_yes·exp(R − log(e^b + e^R)) − g_no·exp(R − log(e^a + e^R)).
// scalars[r] = (R, c, ∂loss/∂a, ∂loss/∂b), the gradients times gradScale.
//
// logits [rows, vocab]; labels, rest, loss, score [rows]; scalars [rows, 4].
#include numerics
#include invocations

fn run(row: u32) {
  if (row >= parameters.rows) { return; }
  let a = logits[row * parameters.vocab + parameters.yesToken];
  let b = logits[row * parameters.vocab + parameters.noToken];
  let y = labels[row];
  let scale = parameters.gradScale;

#if KIND == YES_LOGIT_BCE
  score[row] = a;
  loss[row] = y * softplus(-a) + (1.0 - y) * softplus(a);
  scalars[row] = vec4<f32>(0.0, 0.0, scale * ((1.0 - y) * logistic(a) - y * logistic(-a)), 0.0);
#else
  score[row] = a - b;
  let r = rest[row];
  let withoutYes = logAddExp(b, r);
  let withoutNo = logAddExp(a, r);
  let yesOdds = a - withoutYes;
  let noOdds = b - withoutNo;
  let positive = y > 0.5;
#if KIND == ANSWER_CE
  loss[row] = softplus(-select(noOdds, yesOdds, positive));
  let yesGradient = select(0.0, -logistic(-yesOdds), positive);
  let noGradient = select(-logistic(-noOdds), 0.0, positive);
  let ranking = 0.0;
#else
  let s = select(-1.0, 1.0, positive);
  let yes = logistic(yesOdds);
  let notYes = logistic(-yesOdds);
  let no = logistic(noOdds);
  let notNo = logistic(-noOdds);
  var yesGradient = (1.0 - y) * yes - y * notYes;
  var noGradient = y * no - (1.0 - y) * notNo;
#if BPR_ON_LOGIT
  let advantage = a - b;
  let ranking = -parameters.k * s * logistic(-s * advantage);
#else
  let advantage = yes - no;
  // ∂p/∂u = p·(1 − p)
  let onProbability = -parameters.k * s * logistic(-s * advantage);
  yesGradient += onProbability * yes * notYes;
  noGradient -= onProbability * no * notNo;
  let ranking = 0.0;
#endif
  loss[row] = y * softplus(-yesOdds) + (1.0 - y) * softplus(yesOdds)
    + (1.0 - y) * softplus(-noOdds) + y * softplus(noOdds)
    + parameters.k * softplus(-s * advantage);
#endif
  scalars[row] = vec4<f32>(
    r,
    -scale * (yesGradient * exp(r - withoutYes) + noGradient * exp(r - withoutNo)),
    scale * (yesGradient - noGradient * exp(a - withoutNo) + ranking),
    scale * (noGradient - yesGradient * exp(b - withoutYes) - ranking),
  );
#endif
}
