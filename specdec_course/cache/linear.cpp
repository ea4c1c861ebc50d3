// A linear layer for few rows: y = x w^T, with every weight read once, in the order in which it lies in memory.
//
// A general matrix product first copies what it reads into blocks, which pays when every weight is used for many rows.
// In decoding it is used for a handful, and reading it is all the work there is. A row of y is added up in the same order
// whatever the number of rows, so that one token and five verified at once get the same numbers, bit for bit.
#include <torch/csrc/stable/library.h>
#include <torch/csrc/stable/ops.h>
#include <torch/csrc/stable/tensor.h>

namespace {

constexpr int LANES = 16;  // floats in a vector: of 512 bits, or two of 256
typedef float Lanes __attribute__((vector_size(4 * LANES), aligned(4)));

// y[0..M) at one output: M rows of x [M, K] against one row of weights [K].
template <int M>
inline void dot(const float* x, const float* w, float* y, int64_t K, int64_t stride) {
  Lanes even[M] = {}, odd[M] = {};
  int64_t k = 0;
  for (; k + 2 * LANES <= K; k += 2 * LANES) {
    __builtin_prefetch(w + k + 1024);
    __builtin_prefetch(w + k + 1024 + LANES);
    const Lanes first = *(const Lanes*)(w + k), second = *(const Lanes*)(w + k + LANES);
    for (int m = 0; m < M; m++) {
      even[m] += first * *(const Lanes*)(x + m * K + k);
      odd[m] += second * *(const Lanes*)(x + m * K + k + LANES);
    }
  }
  for (int m = 0; m < M; m++) {
    const Lanes both = even[m] + odd[m];
    float sum = 0;
    for (int lane = 0; lane < LANES; lane++) sum += both[lane];
    for (int64_t j = k; j < K; j++) sum += w[j] * x[m * K + j];
    y[m * stride] = sum;
  }
}

void some(int64_t M, const float* x, const float* w, float* y, int64_t K, int64_t N) {
  for (; M >= 5; M -= 5, x += 5 * K, y += 5 * N) dot<5>(x, w, y, K, N);
  if (M >= 4) { dot<4>(x, w, y, K, N); return; }
  for (; M >= 2; M -= 2, x += 2 * K, y += 2 * N) dot<2>(x, w, y, K, N);
  if (M == 1) dot<1>(x, w, y, K, N);
}

torch::stable::Tensor few_rows(const torch::stable::Tensor& x, const torch::stable::Tensor& w) {
  const int64_t M = x.size(0), K = x.size(1), N = w.size(0);
  auto y = torch::stable::new_empty(x, {M, N});
  const float* from = static_cast<const float*>(x.data_ptr());
  const float* weights = static_cast<const float*>(w.data_ptr());
  float* to = static_cast<float*>(y.data_ptr());
  torch::stable::parallel_for(0, N, 1 + (1 << 17) / (K + 1), [&](int64_t begin, int64_t end) {
    for (int64_t n = begin; n < end; n++) some(M, from, weights + n * K, to + n, K, N);
  });
  return y;
}

}  // namespace

STABLE_TORCH_LIBRARY(specdec, m) { m.def("few_rows(Tensor x, Tensor w) -> Tensor"); }
STABLE_TORCH_LIBRARY_IMPL(specdec, CPU, m) { m.impl("few_rows", TORCH_BOX(&few_rows)); }
