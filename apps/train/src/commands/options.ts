/** Options that several commands have. */
import { Option } from 'commander';
import { WEIGHT_STORAGES } from '../config/schema';

/** How the linear layers of a model are kept on the device. */
export function weightsOption(): Option {
  return new Option('--weights <type>', 'linear layers on the device: stored (as the file has them, or f32)')
    .choices(WEIGHT_STORAGES)
    .default('stored');
}
