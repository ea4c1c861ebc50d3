// A linear layer for few rows: y = x w^T, with every weight read once, in the order in which it lies in memory.
//
// A general matrix product first copies what it reads into blocks, which pays when every weight is used for many rows.
// In decoding it is used for a handful, and reading it is all the work there is. A row of y is added up in the same order
// whatever the number of rows, so that one token and five verified at once get the same numbers, bit for bit.
#if defined(__AVX2__)
#include <immintrin.h>
#endif
#include <torch/csrc/stable/library.h>
#include <torch/csrc/stable/ops.h>
#include <torch/csrc/stable/tensor.h>

namespace {

#ifdef __AVX512F__
constexpr int LANES = 16;
#else
constexpr int LANES = 8;  // floats in one register: longer vectors would be spilled to memory where rows are many
#endif
constexpr int64_t CLOSE = 14000;  // bytes of x that stay in the nearest cache while weights stream by
typedef float Lanes __attribute__((vector_size(4 * LANES), aligned(4)));
typedef int8_t Bytes __attribute__((vector_size(LANES), aligned(1)));

inline Lanes load(const float* from) { return *(const Lanes*)from; }
inline Lanes load(const int8_t* from) {  // by hand where compilers make slow code of it
#if defined(__AVX512F__)
  return (Lanes)_mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i*)from)));
#elif defined(__AVX2__)
  return (Lanes)_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i*)from)));
#else
  return __builtin_convertvector(*(const Bytes*)from, Lanes);
#endif
}

// The lanes added up, by halves.
inline float sum_of(Lanes a) {
#if defined(__AVX512F__)
  return _mm512_reduce_add_ps((__m512)a);
#else
  float part[LANES];
  *(Lanes*)part = a;
  for (int half = LANES / 2; half; half /= 2)
    for (int lane = 0; lane < half; lane++) part[lane] += part[lane + half];
  return part[0];
#endif
}

// y at R outputs: M rows of x [M, K] against R rows of weights [R, K], each times its scale (null: 1). One row of weights
// at a time is read fastest; two, where x is too large for the nearest cache, so that what is loaded of x serves both.
// Every sum is added up in the same order, whatever M and R are. Unrolled, or the sums travel through memory.
template <int M, int R, typename W>
inline void dot(const float* x, const W* w, const float* scales, float* y, int64_t K, int64_t N) {
  constexpr int64_t AHEAD = (M <= 2 ? 512 : 4096) / sizeof(W);  // of weights to fetch, as measured
  Lanes even[M][R] = {}, odd[M][R] = {};
  int64_t k = 0;
  for (; k + 2 * LANES <= K; k += 2 * LANES) {
    Lanes first[R], second[R];
    for (int r = 0; r < R; r++) {
      __builtin_prefetch(w + r * K + k + AHEAD);
      __builtin_prefetch(w + r * K + k + AHEAD + LANES);
      first[r] = load(w + r * K + k), second[r] = load(w + r * K + k + LANES);
    }
    for (int m = 0; m < M; m++) {
      const Lanes left = load(x + m * K + k), right = load(x + m * K + k + LANES);
      for (int r = 0; r < R; r++) even[m][r] += first[r] * left, odd[m][r] += second[r] * right;
    }
  }
#pragma GCC unroll 9
  for (int m = 0; m < M; m++)
#pragma GCC unroll 4
    for (int r = 0; r < R; r++) {
      float sum = sum_of(even[m][r] + odd[m][r]);
      for (int64_t j = k; j < K; j++) sum += w[r * K + j] * x[m * K + j];
      y[m * N + r] = (scales ? scales[r] : 1.0f) * sum;
    }
}

template <int R, typename W>
void some(int64_t M, const float* x, const W* w, const float* scales, float* y, int64_t K, int64_t N) {
  for (; M >= 5; M -= 5, x += 5 * K, y += 5 * N) dot<5, R>(x, w, scales, y, K, N);
  if (M >= 4) { dot<4, R>(x, w, scales, y, K, N); M -= 4, x += 4 * K, y += 4 * N; }
  if (M == 3) dot<3, R>(x, w, scales, y, K, N);
  if (M == 2) dot<2, R>(x, w, scales, y, K, N);
  if (M == 1) dot<1, R>(x, w, scales, y, K, N);
}

// scales [N], or null where the weights are what they are.
template <typename W>
torch::stable::Tensor rows_of(const torch::stable::Tensor& x, const torch::stable::Tensor& w, const float* scales) {
  const int64_t M = x.size(0), K = x.size(1), N = w.size(0);
  auto y = torch::stable::new_empty(x, {M, N});
  const float* from = static_cast<const float*>(x.data_ptr());
  const W* weights = static_cast<const W*>(w.data_ptr());
  float* to = static_cast<float*>(y.data_ptr());
  torch::stable::parallel_for(0, N, 1 + (1 << 17) / (K + 1), [&](int64_t begin, int64_t end) {
    const auto scale = [&](int64_t n) { return scales ? scales + n : nullptr; };
    int64_t n = begin;
    if (M * K * 4 > CLOSE)
      for (; n + 2 <= end; n += 2) some<2>(M, from, weights + n * K, scale(n), to + n, K, N);
    for (; n < end; n++) some<1>(M, from, weights + n * K, scale(n), to + n, K, N);
  });
  return y;
}

torch::stable::Tensor few_rows(const torch::stable::Tensor& x, const torch::stable::Tensor& w) {
  return rows_of<float>(x, w, nullptr);
}

torch::stable::Tensor few_rows_int8(const torch::stable::Tensor& x, const torch::stable::Tensor& w,
                                    const torch::stable::Tensor& scales) {
  return rows_of<int8_t>(x, w, static_cast<const float*>(scales.data_ptr()));
}

}  // namespace

STABLE_TORCH_LIBRARY(specdec, m) {
  m.def("few_rows(Tensor x, Tensor w) -> Tensor");
  m.def("few_rows_int8(Tensor x, Tensor w, Tensor scales) -> Tensor");
}
STABLE_TORCH_LIBRARY_IMPL(specdec, CPU, m) {
  m.impl("few_rows", TORCH_BOX(&few_rows));
  m.impl("few_rows_int8", TORCH_BOX(&few_rows_int8));
}
