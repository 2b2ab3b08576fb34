// Texts of the list of what is wrong now: its head and its rows.
import { texts } from '../i18n/language.svelte'
import { words } from './words'

export const nowWords = texts({
  en: {
    level: 'Level', name: 'What', since: 'Since', stages: 'Launch stages', healer: 'Who heals it', tries: 'Try', next: 'Next try', cause: 'Last cause',
    ready: (ready: number, desired: number) => words().ready(ready, desired),
    notStored: 'not stored',
    notStoredMeans: 'The disk refuses: this finding is kept in memory only.',
    workload: 'Workload',
    workloadOf: (name: string) => `Workload ${name}`,
    loop: (count: number, period: string) => `loop: ${count} ends, every ${period}`,
  },
  ja: {
    level: 'レベル', name: '対象', since: '経過', stages: '起動の段階', healer: '修復役', tries: '試行', next: '次の試行', cause: '直近の原因',
    ready: (ready, desired) => words().ready(ready, desired),
    notStored: '未保存',
    notStoredMeans: 'ディスクに書き込めないため、この検知はメモリーだけに保持されています。',
    workload: 'ワークロード',
    workloadOf: (name) => `ワークロード ${name}`,
    loop: (count, period) => `ループ: 終了 ${count} 回、平均間隔 ${period}`,
  },
})
