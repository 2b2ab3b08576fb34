// English and Japanese. Every part of the page keeps its own texts beside its code:
//
//   const text = texts({ en: { title: 'Status', of: (n: number) => `of ${n}` }, ja: { title: '状態', of: (n) => `${n} 件中` } })
//   … {text().title}
//
// The Japanese must have the shape of the English: a missing text does not compile.
import { recall, remember } from '../memory'

export type Language = 'en' | 'ja'

type Shape<T> = {
  [K in keyof T]: T[K] extends (...args: infer A) => string ? (...args: A) => string : T[K] extends string ? string : Shape<T[K]>
}

function first(): Language {
  const asked = new URLSearchParams(location.search).get('lang') ?? recall('language') ?? navigator.language
  return asked.toLowerCase().startsWith('ja') ? 'ja' : 'en'
}

let current = $state<Language>('en')

export function language(): Language {
  return current
}

export function setLanguage(next: Language): void {
  current = next
  remember('language', next)
  document.documentElement.lang = next
}

/** Takes over what the address, the browser's memory or the browser says. */
export function beginLanguage(): void {
  current = first()
  document.documentElement.lang = current
}

/** The texts of one part, in the language in force. */
export function texts<const E>(both: { en: E; ja: NoInfer<Shape<E>> }): () => Shape<E> {
  return () => (current === 'ja' ? both.ja : (both.en as Shape<E>))
}
