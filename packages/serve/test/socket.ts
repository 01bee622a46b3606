/** Requests over a socket, byte by byte. */
import { connect, type Socket } from 'node:net';

/** Connects, and gathers what comes. */
export function open(port: number): { socket: Socket; ended: Promise<string>; text: () => string } {
  const socket = connect(port, '127.0.0.1');
  let text = '';
  socket.setEncoding('latin1');
  socket.on('data', (chunk) => {
    text += chunk;
  });
  socket.on('error', () => {});
  const ended = new Promise<string>((resolve) => socket.on('close', () => resolve(text)));
  return { socket, ended, text: () => text };
}

/** Sends bytes, and gives all that comes until the server, or after `patience` ms this side, closes. */
export async function exchange(port: number, wire: string, patience = 5000): Promise<string> {
  const { socket, ended } = open(port);
  socket.write(wire, 'latin1');
  const timer = setTimeout(() => socket.destroy(), patience);
  const text = await ended;
  clearTimeout(timer);
  return text;
}

/** Status of an answer; 0: there was none. */
export const statusOf = (text: string): number => Number(/^HTTP\/1\.1 (\d{3})/.exec(text)?.[1] ?? 0);
