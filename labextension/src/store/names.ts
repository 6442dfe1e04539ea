// Names of workers as they are shown. Some are made by machines: an address, or a name that ends in a long random id. Pure.

/** "tcp://" of "tcp://10.0.0.5:45123". */
const SCHEME = /^[a-z]+:\/\/(?=.)/;
const UUID = /[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/gi;
/** What nobody reads out: ten and more hexadecimal digits in a row, letters among them. */
const LONG_ID = /(?<![0-9a-z])(?=\d*[a-f])[0-9a-f]{10,}(?![0-9a-z])/gi;
/** Digits that are left of it, as of a commit: enough to tell apart those of one cluster. */
const SHORT = 7;

/** "worker-3f8a9b2" for "worker-3f8a9b2c4d5e6f70"; a name that somebody gave stays as it is. */
export function shortName(worker: string): string {
  const cut = (id: string): string => id.slice(0, SHORT);
  return worker.replace(SCHEME, '').replace(UUID, cut).replace(LONG_ID, cut);
}
