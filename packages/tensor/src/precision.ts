// In which type a model multiplies, and whether a device can.
import { type Device, InputError } from '@crossgate/gpu';
import {
  attentionMatrixObstacle,
  checkMatrixAttention,
  checkMatrixUnits,
  type MatmulPrecision,
  matrixObstacle,
} from '@crossgate/kernels';

/**
 * In which type linear layers and attention multiply. `f32`: everywhere. `f16`: operands are rounded to halves and
 * multiplied by matrix units, sums are f32.
 */
export type Precision = MatmulPrecision;

/** Devices that were asked already, and what is wrong with their matrix units: in products, and for a head size. */
const asked = new WeakMap<Device, Map<'products' | number, Promise<string | null>>>();

/** Sizes of heads whose attention the matrix units of a device compute wrongly. */
const faulty = new WeakMap<Device, Set<number>>();

/** The precision of attention where products have this one: f32 where {@link usablePrecision} found a fault. */
export function attentionPrecision(device: Device, precision: Precision, headDim: number): Precision {
  return faulty.get(device)?.has(headDim) ? 'f32' : precision;
}

/**
 * The precision that a device can compute in. Before the first use of f16, its matrix units multiply known matrices and
 * compute attention, for a second or so, outside of steps.
 *
 * @param precision that the user wants.
 * @param setting by which the user chooses it, for messages: `llm.precision:`, `--precision`.
 * @param warn told why it is f32 in place of f16, where the matrix units do not multiply rightly; and why attention alone is
 * in f32 from then on, where they do not compute it rightly, have no room for its heads or do not divide them.
 * @param headDim elements of a head of attention.
 * @throws InputError for f16 on a device without matrix units for it, naming the device and what it lacks.
 */
export async function usablePrecision(
  device: Device,
  precision: Precision,
  setting: string,
  warn: (message: string) => void,
  headDim: number,
): Promise<Precision> {
  if (precision === 'f32') return precision;
  const { capabilities } = device;
  const obstacle = matrixObstacle(capabilities);
  if (obstacle !== null) {
    throw new InputError(
      `${setting} f16 needs matrix units, but ${capabilities.name} ${obstacle}; use ${setting} f32`,
      {
        code: 'gpu.limit',
      },
    );
  }
  const answers = asked.get(device) ?? new Map<'products' | number, Promise<string | null>>();
  asked.set(device, answers);
  const answer = (question: 'products' | number, ask: () => Promise<string | null>) => {
    const given = answers.get(question) ?? ask();
    answers.set(question, given);
    return given;
  };
  const fault = await answer('products', () => checkMatrixUnits(device));
  if (fault !== null) {
    warn(`the matrix units of ${capabilities.name} ${fault}; computing in f32 instead of f16`);
    return 'f32';
  }
  const without = attentionMatrixObstacle(headDim, capabilities);
  if (without !== null) {
    warn(`attention computes in f32: ${capabilities.name} ${without}`);
    return precision;
  }
  const wrong = await answer(headDim, () => checkMatrixAttention(device, headDim));
  if (wrong !== null) {
    warn(`attention computes in f32: the matrix units of ${capabilities.name} ${wrong}`);
    faulty.set(device, (faulty.get(device) ?? new Set()).add(headDim));
  }
  return precision;
}
