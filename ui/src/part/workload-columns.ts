// Heads of the list of workloads; on a narrow screen its rows repeat them.
import { texts } from '../i18n/language.svelte'

export const workloadColumns = texts({
  en: {
    level: 'Level', name: 'Name', ready: 'Ready', state: 'State', since: 'Since', restarts: 'Restarts', image: 'Image', healer: 'Healer',
    moreImages: (n: number) => `and ${n} more`,
  },
  ja: {
    level: 'レベル', name: '名前', ready: '稼働', state: '状態', since: '経過', restarts: '再起動', image: 'イメージ', healer: '修復役',
    moreImages: (n) => `ほか ${n} 件`,
  },
})
