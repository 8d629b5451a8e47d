"""Variables of the environment that a process needs from its beginning, for numbers that are the same everywhere."""

from __future__ import annotations

# Numerical libraries choose their kernels by processor, and kernels differ in last bits that a training makes grow.
# AVX2 is what all x86 servers have, and no slower at these sizes; the libraries read this as they are imported.
SAME_ON_EVERY_PROCESSOR = {
    "ATEN_CPU_CAPABILITY": "avx2",
    "MKL_CBWR": "AVX2",
    "OPENBLAS_CORETYPE": "Haswell",
    "CUBLAS_WORKSPACE_CONFIG": ":4096:8",  # without it deterministic training on CUDA is refused
    "NPY_DISABLE_CPU_FEATURES": "X86_V4 AVX512_ICL AVX512_SPR",
}
