/** Devices that capture no step for good, for tests that compare replayed steps with recorded ones. */

/** What captures steps: a `Device` of `@crossgate/gpu`. */
interface Capturing {
  capture(record: never): Disposable;
}

/** From now on every step of a device is recorded: a program ends as soon as it is made. Until what is given is disposed of. */
export function recordAll(device: Capturing): Disposable {
  const { capture } = device;
  device.capture = (record) => {
    const program = capture.call(device, record);
    program[Symbol.dispose]();
    return program;
  };
  return {
    [Symbol.dispose]() {
      device.capture = capture;
    },
  };
}
