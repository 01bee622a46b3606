/** Pictures as PNG, for places that take no SVG. Drawn with a font that comes along, so the same on every machine. */
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { width as pictureWidth } from './picture';

/** How a picture becomes pixels. */
export interface PngOptions {
  /** Width in pixels, 1 … 8192. Default 1440, twice the units of a picture; the height follows. */
  readonly width?: number;
  /** CSS color behind the picture. Default white. */
  readonly background?: string;
}

let renderer: Promise<(svg: string, options: Required<PngOptions>) => Uint8Array> | undefined;

/**
 * Draws an SVG document of `picture` as PNG. The same document gives the same bytes on every machine.
 *
 * @throws RangeError for a width out of range; an error of the renderer for what is no SVG
 */
export async function picturePng(svg: string, options: PngOptions = {}): Promise<Uint8Array> {
  const { width = 2 * pictureWidth, background = '#ffffff' } = options;
  if (!(Number.isInteger(width) && width >= 1 && width <= 8192)) {
    throw new RangeError(`a picture ${width} pixels wide: 1 to 8192 can be drawn`);
  }
  renderer ??= openRenderer();
  return (await renderer)(svg, { width, background });
}

/** Loads the renderer, a module of WebAssembly, and the font, once a process. */
async function openRenderer(): Promise<(svg: string, options: Required<PngOptions>) => Uint8Array> {
  const fileOf = (name: string) => readFile(createRequire(import.meta.url).resolve(name));
  const [{ initWasm, Resvg }, program, font] = await Promise.all([
    import('@resvg/resvg-wasm'),
    fileOf('@resvg/resvg-wasm/index_bg.wasm'),
    fileOf('dejavu-fonts-ttf/ttf/DejaVuSans.ttf'),
  ]);
  await initWasm(program).catch((error: Error) => {
    // Another user of the library in this process was first.
    if (!/already initialized/i.test(error.message)) throw error;
  });
  const family = 'DejaVu Sans';
  return (svg, { width, background }) => {
    const drawing = new Resvg(svg, {
      fitTo: { mode: 'width', value: width },
      background,
      font: { fontBuffers: [font], defaultFontFamily: family, sansSerifFamily: family },
    });
    try {
      return drawing.render().asPng();
    } finally {
      drawing.free();
    }
  };
}
