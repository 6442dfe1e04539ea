// The words of the view in the user's language. In JupyterLab that is its TranslationBundle; elsewhere English.
import { createContext, useContext } from 'react';

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

const TranslateContext = createContext<ITranslate>(english);

export const TranslateProvider = TranslateContext.Provider;

export function useTranslate(): ITranslate {
  return useContext(TranslateContext);
}
