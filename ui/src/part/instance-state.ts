// The state of a container, which the server gives as one English word, in the page's language.
import { texts } from '../i18n/language.svelte'

const text = texts({
  en: { state: {} as Record<string, string> },
  ja: {
    state: {
      unknown: '不明', created: '作成済み', running: '実行中', paused: '一時停止中', restarting: '再起動待ち', removing: '削除中', dead: 'dead（削除失敗）',
      exited: '終了', gone: '削除済み',
    },
  },
})

/** The word for it; one that is not known stays as it is. */
export const stateWord = (state: string): string => text().state[state] ?? state
