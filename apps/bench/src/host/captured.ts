/** What a step asks of the recorder, taken down to be asked again without what leads to it. */
import type { Device, DispatchArguments, Kernel } from '@crossgate/gpu';

/** The dispatches of `record`, as the recorder is asked for them. */
export function captureDispatches({ recorder }: Device, record: () => void): readonly [Kernel, DispatchArguments][] {
  const dispatches: [Kernel, DispatchArguments][] = [];
  const { dispatch } = recorder;
  recorder.dispatch = (kernel, args) => {
    const plain = args as unknown as DispatchArguments;
    dispatches.push([kernel, plain]);
    dispatch.call(recorder, kernel, plain);
  };
  try {
    record();
  } finally {
    recorder.dispatch = dispatch;
  }
  return dispatches;
}
