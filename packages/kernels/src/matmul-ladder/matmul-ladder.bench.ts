/** What each step of the ladder is worth, at a size for software adapters and one for hardware. */
import { canClimb, LADDER_STEPS, matmulLadder } from '@crossgate/kernels';
import type { LauncherBench } from '../../test/bench';

export const benches: readonly LauncherBench[] = [512, 4096].flatMap((size) =>
  LADDER_STEPS.map((step, i) => ({
    launcher: 'matmulLadder',
    shape: `${size}x${size}x${size} (${i + 1} ${step})`,
    work: { flops: 2 * size ** 3 },
    variant: () => step,
    // A processor imitates matrix units: its times would say nothing of them.
    when: (capabilities) =>
      canClimb(step, capabilities) && (capabilities.software ? size === 512 && i < 5 : size === 4096),
    prepare: (context) => {
      const [a, b] = [context.floats(size * size), context.floats(size * size)];
      const out = context.empty(size * size);
      return () => matmulLadder(context.device, { step, a, b, out, m: size, n: size, k: size });
    },
  })),
);
