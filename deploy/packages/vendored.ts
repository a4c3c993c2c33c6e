/**
 * Libraries of which a package carries what it uses, at the version that the checkout is tested with. So who installs
 * it installs neither the optional native parts that msgpackr and piscina bring along (which are never loaded), nor
 * whole libraries of which one file is sent to a browser.
 */
import path from 'node:path';
import { PAGE_FILES } from '../../src/cli/page-files.ts';

export interface VendoredLibrary {
  readonly name: string;
  /** The packages through which it is found: the first is one of ours. */
  readonly broughtBy: readonly string[];
  /** Globs within the library's folder. Its licence is always carried along. */
  readonly files: readonly string[];
}

/** What both packages import, by the specifier in the sources, and the file that it stands for. */
const IMPORTED: Readonly<Record<string, string>> = {
  'msgpackr/pack': 'msgpackr/pack.js',
  'msgpackr/unpack': 'msgpackr/unpack.js',
  piscina: 'piscina/dist/esm-wrapper.mjs',
};
const LIBRARIES: readonly VendoredLibrary[] = [
  { name: 'msgpackr', broughtBy: [], files: ['pack.js', 'unpack.js'] },
  { name: 'piscina', broughtBy: [], files: ['dist/**/*.js', 'dist/esm-wrapper.mjs'] },
];
const BY_PACKAGE = { 'native-free-lsm': LIBRARIES, quorate: [...LIBRARIES, ...librariesOfPages()] } as const;

export function vendoredBy(name: keyof typeof BY_PACKAGE): readonly VendoredLibrary[] {
  return BY_PACKAGE[name];
}

function librariesOfPages(): VendoredLibrary[] {
  const libraries = new Map<string, VendoredLibrary>();
  for (const { broughtBy, file, library } of PAGE_FILES) {
    const files = [...(libraries.get(library)?.files ?? []), file];
    libraries.set(library, { name: library, broughtBy, files });
  }
  return [...libraries.values()];
}

/**
 * A compiled file, importing what the package carries from there, and declarations by the names that they have now: the
 * compiler leaves `.ts` in these.
 * @param file its path in `dist`
 */
export function asPublished(code: string, file: string): string {
  return code.replace(/(\bfrom |\bimport\()(['"])([^'"\n]+)\2/g, (whole, before, quote, specifier) => {
    if (/^\.{1,2}\/.*\.ts$/.test(specifier))
      return `${before}${quote}${specifier.replace(/ts$/, 'js')}${quote}`;
    if (!Object.hasOwn(IMPORTED, specifier)) return whole;
    const relative = path.posix.relative(path.posix.dirname(file), `vendor/${IMPORTED[specifier]}`);
    return `${before}${quote}${relative.startsWith('.') ? relative : `./${relative}`}${quote}`;
  });
}
