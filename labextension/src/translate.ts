// Words in the user's language. In JupyterLab that is its TranslationBundle, which the board in a cell's output, bundled apart
// from it, asks the page for; elsewhere it is English.

/** The part of JupyterLab's `TranslationBundle` that the view uses; `%1` stands for the first argument. */
export interface ITranslate {
  __(text: string, ...args: (string | number)[]): string;
  /** `%1` is `n`. */
  _n(singular: string, plural: string, n: number, ...args: (string | number)[]): string;
}

function format(text: string, args: readonly (string | number)[]): string {
  return text.replace(/%(\d+)/g, (placeholder, index: string) =>
    String(args[Number(index) - 1] ?? placeholder)
  );
}

/** English, untranslated. */
export const english: ITranslate = {
  __: (text, ...args) => format(text, args),
  _n: (singular, plural, n, ...args) => format(n === 1 ? singular : plural, [n, ...args])
};

const ASK = 'moorage:translate';

/** Give the page's translation to boards in it that ask. */
export function offerTranslation(trans: ITranslate): void {
  window.addEventListener(ASK, event => {
    (event as CustomEvent<(offered: ITranslate) => void>).detail(trans);
  });
}

/** The translation that somebody in this page offers, or English. */
export function askForTranslation(): ITranslate {
  let found = english;
  const take = (offered: ITranslate): void => void (found = offered);
  window.dispatchEvent(new CustomEvent(ASK, { detail: take }));
  return found;
}
