// In which type a model multiplies, and whether a device can.
import { type Device, InputError } from '@crossgate/gpu';
import { checkMatrixUnits, type MatmulPrecision, matrixObstacle } from '@crossgate/kernels';

/**
 * In which type linear layers multiply. `f32`: everywhere. `f16`: operands are rounded to halves and multiplied by matrix
 * units, sums are f32.
 */
export type Precision = MatmulPrecision;

/** Devices that were asked already, and what is wrong with their matrix units. */
const asked = new WeakMap<Device, Promise<string | null>>();

/**
 * The precision that a device can compute in. Before the first use of f16, its matrix units multiply known matrices, for a
 * second or so, outside of steps.
 *
 * @param precision that the user wants.
 * @param setting by which the user chooses it, for messages: `llm.precision:`, `--precision`.
 * @param warn told why it is f32 in place of f16, where the matrix units do not multiply rightly.
 * @throws InputError for f16 on a device without matrix units for it, naming the device and what it lacks.
 */
export async function usablePrecision(
  device: Device,
  precision: Precision,
  setting: string,
  warn: (message: string) => void,
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
  const checked = asked.get(device) ?? checkMatrixUnits(device);
  asked.set(device, checked);
  const fault = await checked;
  if (fault === null) return precision;
  warn(`the matrix units of ${capabilities.name} ${fault}; computing in f32 instead of f16`);
  return 'f32';
}
