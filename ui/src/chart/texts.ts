// Texts of the charts.
import { texts } from '../i18n/language.svelte'
import type { Aspect } from './chart'
import type { Compare } from './compare'
import type { MarkKind } from './marks'

export const text = texts({
  en: {
    chart: {
      cpu: 'CPU', load: 'Load', memory: 'Memory', swap: 'Swap', filesystems: 'File systems', inodes: 'Inodes', disks: 'Disk throughput', diskbusy: 'Disk busy',
      disktime: 'Time of a disk operation', network: 'Network', neterrors: 'Network errors', pressure: 'Pressure (PSI)', oom: 'Out of memory',
      descriptors: 'File descriptors', conntrack: 'Tracked connections', processes: 'Processes', throttling: 'CPU throttling', pids: 'Processes and threads', io: 'Block I/O',
    } as Record<string, string>,
    unit: {
      cores: 'cores', share: '', bytes: '', bytes_per_second: '', seconds: '', count: '', per_second: '',
    },
    aspect: { utilisation: 'utilisation', saturation: 'saturation', errors: 'errors' } satisfies Record<Aspect, string>,
    line: {
      load1: '1 min', load5: '5 min', load15: '15 min', cpus: 'CPUs', used: 'used', cache: 'file cache', total: 'total', limit: 'limit', read: 'read',
      written: 'written', received: 'received', sent: 'sent', errors: 'errors', dropped: 'dropped', psiCpu: 'waiting for CPU', psiMemory: 'waiting for memory',
      psiIo: 'waiting for I/O', oomKills: 'killed for memory', limitHits: 'met the limit', seenKills: 'seen in the timeline', open: 'open', tracked: 'tracked', runnable: 'runnable', blocked: 'waiting for I/O',
      all: 'all', user: 'user', system: 'system', throttled: 'throttled periods', workingSet: 'working set', rss: 'RSS', swapped: 'swapped', threads: 'threads',
      processes: 'processes', iowait: 'I/O wait', irq: 'interrupts', softirq: 'soft interrupts', nice: 'nice', steal: 'stolen',
    } as Record<string, string>,
    earlier: { '1d': '1 day earlier', '1w': '1 week earlier', '4w': '4 weeks earlier' } satisfies Record<Compare, string>,
    noEarlier: (when: string) => `${when}: no samples.`,
    compare: 'Compare',
    compareOff: 'off',
    compareHint: 'Compare with an earlier time',
    far: 'above the picture',
    last: 'last',
    low: 'lowest',
    mean: 'mean',
    high: 'highest',
    name: 'Line',
    time: 'Time',
    asTable: 'As a table',
    values: 'Values',
    thinned: (shown: number, all: number) => `${shown} of ${all} points.`,
    left: (n: number) => (n === 1 ? '1 line with lower values is left out.' : `${n} lines with lower values are left out.`),
    summary: (title: string, from: string, to: string) => `${title}, from ${from} to ${to}.`,
    lineSummary: (name: string, last: string, high: string) => `${name}: last ${last}, highest ${high}.`,
    limitSummary: (name: string, value: string) => `${name}: ${value}.`,
    loading: 'Loading…',
    none: 'No samples in this range.',
    nothing: 'No samples in this range.',
    began: (at: string) => `Samples begin at ${at}.`,
    lastSeen: (first: string, last: string) => `In the last 30 days there are samples from ${first} to ${last}.`,
    never: 'In the last 30 days there are none at all. Samples come from the collectors of Hinomi; see Status for what they miss.',
    failed: (why: string) => `No numbers: ${why}`,
    away: 'Hinomi does not answer. The charts go on by themselves as soon as it does.',
    stale: (at: string) => `These numbers are from ${at}.`,
    retry: 'Try again',
    marks: (n: number) => (n === 1 ? '1 event in this time range' : `${n} events in this time range`),
    mark: {
      oom: 'out of memory', exit: 'end, restart', deploy: 'deploy', intent: 'asked for', runtime: 'runtime', level: 'level', over: 'over',
    } satisfies Record<MarkKind, string>,
    cut: (at: string) => `More happened than fits: events before ${at} are not marked.`,
    moreMarks: (n: number) => `and ${n} more; choose a shorter range`,
    hint: 'Drag in a chart to choose a time range; double click or Esc leads back; c compares with earlier.',
  },
  ja: {
    chart: {
      cpu: 'CPU', load: '負荷（ロードアベレージ）', memory: 'メモリー', swap: 'スワップ', filesystems: 'ファイルシステム', inodes: 'inode', disks: 'ディスク転送量',
      diskbusy: 'ディスク稼働率', disktime: 'ディスク操作の所要時間', network: 'ネットワーク', neterrors: 'ネットワークのエラー', pressure: '待ち（PSI）', oom: 'メモリー不足',
      descriptors: 'ファイル記述子', conntrack: '追跡中の接続', processes: 'プロセス', throttling: 'CPU スロットリング', pids: 'プロセスとスレッド', io: 'ブロック I/O',
    },
    unit: { cores: 'コア', share: '', bytes: '', bytes_per_second: '', seconds: '', count: '', per_second: '' },
    aspect: { utilisation: '使用率', saturation: '飽和', errors: 'エラー' },
    line: {
      load1: '1 分', load5: '5 分', load15: '15 分', cpus: 'CPU 数', used: '使用中', cache: 'ファイルキャッシュ', total: '合計', limit: '上限', read: '読み込み',
      written: '書き込み', received: '受信', sent: '送信', errors: 'エラー', dropped: '破棄', psiCpu: 'CPU 待ち', psiMemory: 'メモリー待ち',
      psiIo: 'I/O 待ち', oomKills: 'メモリー不足による強制終了', limitHits: '上限到達', seenKills: 'タイムライン上の件数', open: 'オープン中', tracked: '追跡中', runnable: '実行可能', blocked: 'I/O 待ち',
      all: '全体', user: 'ユーザー', system: 'システム', throttled: '制限された周期', workingSet: 'ワーキングセット', rss: 'RSS', swapped: 'スワップ済み', threads: 'スレッド',
      processes: 'プロセス', iowait: 'I/O 待ち', irq: '割り込み', softirq: 'ソフト割り込み', nice: 'nice', steal: 'スチール',
    },
    earlier: { '1d': '1 日前', '1w': '1 週間前', '4w': '4 週間前' },
    noEarlier: (when) => `${when}: サンプルなし。`,
    compare: '比較',
    compareOff: 'なし',
    compareHint: '過去と比較',
    far: '図の範囲より上',
    last: '最新',
    low: '最小',
    mean: '平均',
    high: '最大',
    name: '線',
    time: '時刻',
    asTable: '表で表示',
    values: '値',
    thinned: (shown, all) => `全 ${all} 点のうち ${shown} 点。`,
    left: (n) => `値の小さい ${n} 本は省略。`,
    summary: (title, from, to) => `${title}、${from} ～ ${to}。`,
    lineSummary: (name, last, high) => `${name}: 最新 ${last}、最大 ${high}。`,
    limitSummary: (name, value) => `${name}: ${value}。`,
    loading: '読み込み中…',
    none: 'この期間のサンプルなし。',
    nothing: 'この期間のサンプルなし。',
    began: (at) => `サンプルは ${at} から。`,
    lastSeen: (first, last) => `過去 30 日間では、${first} ～ ${last} にサンプルがあります。`,
    never: '過去 30 日間にもサンプルはありません。サンプルは火の見の収集器が送ります。不足は「監視状況」で確認できます。',
    failed: (why) => `数値を取得できません: ${why}`,
    away: '火の見が応答しません。応答があり次第、グラフは自動で再開します。',
    stale: (at) => `数値は ${at} 時点のものです。`,
    retry: '再試行',
    marks: (n) => `この期間のイベント ${n} 件`,
    mark: { oom: 'メモリー不足', exit: '終了・再起動', deploy: 'デプロイ', intent: '操作', runtime: 'ランタイム', level: 'レベル', over: '解消' },
    cut: (at) => `件数が上限を超えたため、${at} より前のイベントは表示していません。`,
    moreMarks: (n) => `ほか ${n} 件。期間を短くしてください`,
    hint: 'グラフ内のドラッグで期間を選択、ダブルクリックまたは Esc で戻る、c で過去と比較。',
  },
})

export const chartTitle = (id: string): string => text().chart[id] ?? id
/** A line's name: its word, its label, or both. What has no word in the page's language stays as it is. */
export function lineName(line: { readonly word: string | undefined; readonly label: string | undefined }): string {
  const said = (word: string): string => text().line[word] ?? word
  if (line.label === undefined) return said(line.word ?? '')
  return line.word === undefined ? said(line.label) : `${line.label} ${said(line.word)}`
}
