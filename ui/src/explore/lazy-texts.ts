// Texts until Explore is there.
import { texts } from '../i18n/language.svelte'

export const text = texts({
  en: { title: 'Explore', loading: 'Loading…', failed: 'This part of the page could not be loaded. Load the page anew: Hinomi may be of another version by now.' },
  ja: { title: '探索', loading: '読み込み中…', failed: 'このページの一部を読み込めませんでした。火の見のバージョンが変わった可能性があります。ページを再読み込みしてください。' },
})
