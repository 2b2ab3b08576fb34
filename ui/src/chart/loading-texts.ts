// What is said before the charts are there.
import { texts } from '../i18n/language.svelte'

export const text = texts({
  en: { title: 'Numbers', around: 'Numbers around it', loading: 'Loading the charts…', notLoaded: 'The charts could not be loaded; reload the page.', lines: 'Each instance', together: 'Sum', shown: 'Lines' },
  ja: { title: '数値', around: '前後の数値', loading: 'グラフを読み込み中…', notLoaded: 'グラフを読み込めませんでした。ページを再読み込みしてください。', lines: 'インスタンス別', together: '合計', shown: '線' },
})
