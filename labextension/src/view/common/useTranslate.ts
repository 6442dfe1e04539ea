// The translation for all parts of the view.
import { createContext, useContext } from 'react';

import { type ITranslate, english } from '../../translate';

export { type ITranslate, english };

const TranslateContext = createContext<ITranslate>(english);

export const TranslateProvider = TranslateContext.Provider;

export function useTranslate(): ITranslate {
  return useContext(TranslateContext);
}
