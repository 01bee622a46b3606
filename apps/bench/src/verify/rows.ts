/** What a check of a kernel's test gives, and what workers tell the command. Plain data: it crosses processes. */

/** One comparison with the float64 reference, or one test that compares nothing. */
export interface VerifyResult {
  /** Folder of packages/kernels/src. */
  readonly kernel: string;
  /** The test, with the names of the groups around it: which variant, under which limits, forward or backward. */
  readonly variant: string;
  /** What was compared, as the test labels it; empty for a test without comparisons. */
  readonly shape: string;
  /** |actual − expected| where it comes closest to the tolerance, or exceeds it most; null without a comparison. */
  readonly maxError: number | null;
  /** Allowed difference at the same place. */
  readonly tolerance: number | null;
  /** False when the kernel is wrong; true also when skipped. */
  readonly ok: boolean;
  /** Wall-clock milliseconds since the check before it, with uploads and the reference on the CPU. */
  readonly ms: number;
  /** Why it failed. */
  readonly message?: string;
  /** Why it did not run here, e.g. the adapter lacks a feature. */
  readonly skipped?: string;
}

/** A kernel whose tests can be run. */
export interface VerifiableKernel {
  readonly kernel: string;
  readonly tests: number;
}

/** Messages of a worker to the command. */
export type WorkerMessage =
  | { readonly kind: 'kernels'; readonly kernels: readonly VerifiableKernel[] }
  | { readonly kind: 'results'; readonly results: readonly VerifyResult[] }
  | { readonly kind: 'done' };
