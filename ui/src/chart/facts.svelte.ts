// What is asked for at one moment, now and again: facts of a host, and what its containers use.
import { query, type Labels, type VectorSeries } from '../api/prometheus'
import { connectionState } from '../live/stream.svelte'
import { containersSelector } from './container-charts'
import { hostSelector } from './host-charts'

/** Between two questions, milliseconds. */
const PAUSE = 15_000

export interface HostFacts {
  readonly system?: string
  readonly kernel?: string
  readonly cpus?: number
  readonly memory?: number
  /** Seconds. */
  readonly uptime?: number
}

/** Call it while a component is made. What can't be had is left out. */
export function hostFacts(host: () => string): { readonly now: HostFacts } {
  return repeated<HostFacts>({}, async (signal) => {
    const own = hostSelector(host())
    const [uname, os, cpus, memory, uptime] = await Promise.all([
      vector(`node_uname_info{${own}}`, signal),
      vector(`node_os_info{${own}}`, signal),
      vector(`count(count by (cpu) (node_cpu_seconds_total{${own}}))`, signal),
      vector(`max(node_memory_MemTotal_bytes{${own}})`, signal),
      vector(`max(node_time_seconds{${own}} - node_boot_time_seconds{${own}})`, signal),
    ])
    return {
      system: os[0]?.metric['pretty_name'], kernel: uname[0]?.metric['release'], cpus: numberOf(cpus[0]), memory: numberOf(memory[0]), uptime: numberOf(uptime[0]),
    }
  })
}

export interface Use {
  readonly cpu: number | undefined
  readonly memory: number | undefined
}

/** What the containers of a host use now, by name. */
export function containerUse(host: () => string): { readonly now: ReadonlyMap<string, Use> } {
  return repeated<ReadonlyMap<string, Use>>(new Map(), async (signal) => {
    const own = containersSelector(host())
    const [cpu, memory] = await Promise.all([
      vector(`sum by (name) (rate(container_cpu_usage_seconds_total{${own}}[1m]))`, signal),
      vector(`max by (name) (container_memory_working_set_bytes{${own}})`, signal),
    ])
    const named = (labels: Labels): string => labels['name'] ?? ''
    const cpus = new Map(cpu.map((one) => [named(one.metric), numberOf(one)]))
    const memories = new Map(memory.map((one) => [named(one.metric), numberOf(one)]))
    return new Map([...new Set([...cpus.keys(), ...memories.keys()])].map((name) => [name, { cpu: cpus.get(name), memory: memories.get(name) }]))
  })
}

/** Asks at once, and again as long as somebody looks and nobody paused. A failure leaves what was known. */
function repeated<T>(first: T, ask: (signal: AbortSignal) => Promise<T>): { readonly now: T } {
  let known = $state.raw(first)
  $effect(() => {
    if (connectionState() === 'paused') return
    const abort = new AbortController()
    const turn = (): void => {
      if (document.visibilityState === 'hidden') return
      ask(abort.signal).then(
        (answer) => void (abort.signal.aborted ? undefined : (known = answer)),
        // The charts beside it say what is wrong.
        () => undefined,
      )
    }
    turn()
    const timer = setInterval(turn, PAUSE)
    return () => {
      clearInterval(timer)
      abort.abort()
    }
  })
  return {
    get now() {
      return known
    },
  }
}

async function vector(text: string, signal: AbortSignal): Promise<readonly VectorSeries[]> {
  const { data } = await query(text, undefined, { signal })
  return data.resultType === 'vector' ? data.result : []
}

function numberOf(series: VectorSeries | undefined): number | undefined {
  const value = Number(series?.value?.[1])
  return Number.isFinite(value) ? value : undefined
}
