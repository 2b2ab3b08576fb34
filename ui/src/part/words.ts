// Words that many parts use.
import type { Happening, Level, Stage } from '../api/types'
import { texts } from '../i18n/language.svelte'

type Outcome = 'pending' | 'running' | 'passed' | 'failed' | 'unknown' | 'not_applicable'
/** `found`: Hinomi came upon it by comparing, so when it was made is not known. */
export type ChangeKind = Happening['kind'] | 'found'

type HealingState = 'working' | 'overdue' | 'stopped' | 'healer_down' | 'done'

export const words = texts({
  en: {
    level: { none: 'None', notice: 'Notice', alert: 'Alert' } satisfies Record<Level, string>,
    levelMeans: {
      none: 'recorded; it heals by itself',
      notice: 'look at it in working hours',
      alert: 'on-call, now',
    } satisfies Record<Level, string>,
    stage: { place: 'Place', pull: 'Pull', create: 'Create', start: 'Start', health: 'Health', serve: 'Serve' } satisfies Record<Stage, string>,
    stageBrief: { place: 'Pl', pull: 'Pu', create: 'Cr', start: 'St', health: 'He', serve: 'Se' } satisfies Record<Stage, string>,
    outcome: {
      pending: 'pending', running: 'running', passed: 'passed', failed: 'failed', unknown: 'not seen', not_applicable: 'not applicable',
    } satisfies Record<Outcome, string>,
    healing: {
      working: 'working', overdue: 'overdue', stopped: 'stopped', healer_down: 'healer down', done: 'done',
    } satisfies Record<HealingState, string>,
    plane: { control: 'Control plane', data: 'Data plane', container: 'Containers' },
    kind: { compose_service: 'Compose service', lone_container: 'Container' },
    change: {
      deploy: 'deploy', configuration: 'configuration', created: 'created', removed: 'removed', renamed: 'renamed', intent: 'asked for',
      runtime: 'runtime', gap: 'not seen', found: 'first seen',
    } satisfies Record<ChangeKind, string>,
    ready: (ready: number, desired: number) => `${ready} of ${desired} ready`,
    nextTry: 'next try',
    nobody: 'nobody',
    ago: (text: string) => `${text} ago`,
    since: (text: string) => `since ${text}`,
    in: (text: string) => `in ${text}`,
    now: 'now',
  },
  ja: {
    level: { none: '記録のみ', notice: '注意', alert: '緊急' },
    levelMeans: { none: '記録のみ。自動で回復する', notice: '勤務時間内に確認', alert: '当番が今すぐ対応' },
    stage: { place: '配置', pull: '取得', create: '作成', start: '開始', health: '正常性', serve: '提供' },
    stageBrief: { place: '配', pull: '取', create: '作', start: '開', health: '正', serve: '提' },
    outcome: { pending: '未着手', running: '進行中', passed: '成功', failed: '失敗', unknown: '未観測', not_applicable: '対象外' },
    healing: { working: '進行中', overdue: '遅延', stopped: '停止', healer_down: '修復役が停止', done: '完了' },
    plane: { control: 'コントロールプレーン', data: 'データプレーン', container: 'コンテナ' },
    kind: { compose_service: 'Compose サービス', lone_container: 'コンテナ' },
    change: {
      deploy: 'デプロイ', configuration: '設定変更', created: '作成', removed: '削除', renamed: '改名', intent: '操作', runtime: 'ランタイム', gap: '未観測',
      found: '初観測',
    },
    ready: (ready, desired) => `${desired} 個中 ${ready} 個が稼働`,
    nextTry: '次の試行',
    nobody: 'なし',
    ago: (text) => `${text}前`,
    since: (text) => `${text}から`,
    in: (text) => `${text}後`,
    now: '今',
  },
})
