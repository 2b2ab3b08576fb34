// A chart as uPlot draws it: bounds, marks, gaps and all. uPlot comes with the charts, not with the page.
import uPlot from 'uplot'
import 'uplot/dist/uPlot.min.css'
import type { Language } from '../i18n/language.svelte'
import type { Span } from '../route/range'
import { clock, day, hourMinute } from '../time/format'
import { needsSeconds, stepOf, ticks } from '../timeline/axis'
import type { Palette } from '../timeline/paint'
import type { ChartDef, Line, View } from './chart'
import { dashOf, inkOf, mixed, type Inks } from './inks'
import { lonely, stacked, timesOf, type Column } from './grid'
import type { Cluster } from './marks'
import { axisOf, isNear, valueText } from './units'

/** All that a picture shows. */
export interface Scene {
  readonly def: Pick<ChartDef, 'unit' | 'stacked' | 'least'>
  readonly view: View
  readonly clusters: readonly Cluster[]
  readonly language: Language
  readonly palette: Palette
  readonly inks: Inks
  readonly width: number
  readonly height: number
  /** An axis of its own, where what is counted is not known. */
  readonly axis?: { readonly min: number; readonly max: number; readonly marks: number[]; readonly said: (value: number) => string }
}

export interface Handlers {
  /** The pointer is at this point of this chart or of another one; undefined: nowhere. */
  readonly point: (at: number | undefined) => void
  readonly chosen: (span: Span) => void
  readonly back: () => void
}

/** Room beside the picture, CSS pixels: all charts have the same, so that times stand above each other. */
export const LEFT = 72
export const RIGHT = 10
/** Room above it for the marks. */
export const TOP = 18
const AXIS = 24
/** One label of the time axis each so many pixels. */
const LABEL = 74
/** Strength of the areas of what is stacked. */
const FILL = 0.4
/** Shorter ways of the pointer are clicks. */
const DRAG_MIN = 5

/** Columns to draw, in the order of painting. */
interface Drawn {
  readonly values: Column
  readonly series: uPlot.Series
}

/** Limits near enough to be drawn. */
export const nearLimits = (view: View): Line[] => {
  const top = highOf(view.lines.map((line) => line.values))
  return view.limits.filter((limit) => isNear(highOf([limit.values]), top))
}

const highOf = (columns: readonly Column[]): number => columns.reduce((high, column) => column.reduce<number>((best, value) => Math.max(best, value ?? best), high), 0)
const lowOf = (columns: readonly Column[]): number => columns.reduce((low, column) => column.reduce<number>((best, value) => Math.min(best, value ?? best), low), 0)

function drawnOf(scene: Scene): Drawn[] {
  const { view, def, inks, palette } = scene
  const columns = def.stacked ? stacked(view.lines.map((line) => line.values)) : view.lines.map((line) => line.values)
  const lines = columns.map((values, at): Drawn => ({
    values,
    series: {
      stroke: inkOf(inks, at), width: 1.5, spanGaps: false, points: pointsOf(inkOf(inks, at)),
      ...(def.stacked ? { fill: mixed(inkOf(inks, at), palette.panel, FILL) } : { dash: dashOf(inks, at) }),
    },
  }))
  const earlier = def.stacked ? sumOfEarlier(view, palette.text) : view.lines.flatMap((line, at) => (line.earlier ? [ghost(line.earlier, inkOf(inks, at))] : []))
  const limits = nearLimits(view).map((limit): Drawn => ({
    values: limit.values, series: { stroke: palette.alert, width: 1.5, dash: [9, 4], spanGaps: false, points: { show: false } },
  }))
  // What is stacked is painted from the top down: each covers what belongs to the sum above it.
  return [...(def.stacked ? lines.reverse() : [...earlier, ...lines]), ...(def.stacked ? earlier : []), ...limits]
}

function sumOfEarlier(view: View, ink: string): Drawn[] {
  const columns = view.lines.flatMap((line) => (line.earlier ? [line.earlier] : []))
  const sum = stacked(columns).at(-1)
  return sum ? [ghost(sum, ink)] : []
}

const ghost = (values: Column, ink: string): Drawn => ({
  values, series: { stroke: ink, width: 1, dash: [3, 3], alpha: 0.75, spanGaps: false, points: pointsOf(ink) },
})

/** A value without neighbours is seen as a point. */
const pointsOf = (ink: string): uPlot.Series.Points => ({
  show: true, filter: (plot, series) => lonely((plot.data[series] ?? []) as Column), size: 4, fill: ink, stroke: ink,
})

/** Draws charts into an element: the first time, and again with other values. */
export class Plot {
  #plot: uPlot | undefined
  #structure = ''
  #scene: Scene | undefined
  #dragging = false
  #axis: ReturnType<typeof axisOf> = { min: 0, max: 1, marks: [] }

  constructor(
    private readonly into: HTMLElement,
    private readonly sync: string,
    private readonly handlers: Handlers,
  ) {}

  draw(scene: Scene): void {
    this.#scene = scene
    const drawn = drawnOf(scene)
    const columns = drawn.map(({ values }) => values)
    this.#axis = scene.axis ?? axisOf(scene.def.unit, lowOf(columns), highOf(columns), scene.def.least ?? 0)
    const data = [timesOf(scene.view.grid), ...columns] as unknown as uPlot.AlignedData
    // What the pictures of one structure share is set once; the values move through it.
    const structure = JSON.stringify([scene.view.lines.map((line) => [line.key, line.earlier !== undefined]), drawn.length, scene.palette, scene.inks, scene.language])
    if (!this.#plot || structure !== this.#structure) {
      this.end()
      this.#structure = structure
      this.#plot = new uPlot(this.#options(scene, drawn), data, this.into)
      return
    }
    if (this.#plot.width !== scene.width || this.#plot.height !== scene.height) this.#plot.setSize({ width: scene.width, height: scene.height })
    this.#plot.setData(data)
  }

  end(): void {
    this.#plot?.destroy()
    this.#plot = undefined
  }

  #options(scene: Scene, drawn: readonly Drawn[]): uPlot.Options {
    const { palette } = scene
    const font = `11px ${palette.font}`
    const grid = { stroke: palette.line, width: 1 }
    return {
      width: scene.width,
      height: scene.height,
      padding: [TOP, RIGHT, 0, 0],
      legend: { show: false },
      scales: {
        x: { time: false, range: () => this.#range() },
        y: { range: () => [this.#axis.min, this.#axis.max] },
      },
      series: [{}, ...drawn.map(({ series }) => series)],
      axes: [
        {
          size: AXIS, font, stroke: palette.dim, grid, ticks: { ...grid, size: 4 }, gap: 3,
          splits: () => this.#ticks().map((tick) => tick.at / 1000),
          values: (_, places) => this.#labels(places),
        },
        {
          size: LEFT, font, stroke: palette.dim, grid, ticks: { show: false }, gap: 6,
          splits: () => this.#axis.marks,
          values: (_, values) => values.map(this.#said),
        },
      ],
      cursor: {
        sync: { key: this.sync, scales: ['x', null] },
        drag: { x: true, y: false, setScale: false, dist: DRAG_MIN },
        y: false,
        points: { size: 6 },
        bind: {
          mousedown: (_, __, handle) => (event) => {
            this.#dragging = event.button === 0
            return handle(event)
          },
          dblclick: () => () => {
            this.handlers.back()
            return null
          },
        },
      },
      hooks: {
        setCursor: [(plot) => this.handlers.point(plot.cursor.idx ?? undefined)],
        setSelect: [(plot) => this.#selected(plot)],
        drawClear: [(plot) => this.#marks(plot)],
      },
    }
  }

  #said = (value: number): string => {
    const { axis, def, language } = this.#scene ?? {}
    return axis ? axis.said(value) : valueText(def?.unit ?? 'count', value, language ?? 'en')
  }

  /** At least one step wide, so that a single point is in the middle of something. */
  #range(): [number, number] {
    const grid = this.#scene?.view.grid ?? { start: 0, end: 1, step: 1 }
    return grid.end > grid.start ? [grid.start, grid.end] : [grid.start - grid.step, grid.end + grid.step]
  }

  #view(): Span {
    const [from, to] = this.#range()
    return { from: from * 1000, to: to * 1000 }
  }

  #step = (): number => stepOf(this.#view(), ((this.#scene?.width ?? 0) - LEFT - RIGHT) / LABEL)
  #ticks = (): { at: number; day: boolean }[] => ticks(this.#view(), this.#step())

  #labels(places: readonly number[]): string[] {
    const days = new Set(this.#ticks().flatMap((tick) => (tick.day ? [tick.at / 1000] : [])))
    const withSeconds = needsSeconds(this.#step())
    return places.map((at) => (days.has(at) ? day(at * 1000) : withSeconds ? clock(at * 1000) : hourMinute(at * 1000)))
  }

  #selected(plot: uPlot): void {
    const { left, width } = plot.select
    // The charts beside it show the same selection; it is chosen once.
    if (width <= 0 || !this.#dragging) return
    this.#dragging = false
    const [from, to] = [plot.posToVal(left, 'x') * 1000, plot.posToVal(left + width, 'x') * 1000]
    plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false)
    if (width >= DRAG_MIN) this.handlers.chosen({ from, to })
  }

  #marks(plot: uPlot): void {
    const { ctx, bbox } = plot
    const scene = this.#scene
    if (!scene) return
    const ratio = bbox.width / Math.max(1, scene.width - LEFT - RIGHT)
    ctx.save()
    ctx.font = `${Math.round(12 * ratio)}px ${scene.palette.font}`
    ctx.textAlign = 'center'
    ctx.textBaseline = 'middle'
    ctx.lineWidth = ratio
    for (const { top, place } of scene.clusters) {
      const x = Math.round(bbox.left + place * bbox.width) + ratio / 2
      ctx.strokeStyle = ctx.fillStyle = scene.palette[top.tone]
      ctx.globalAlpha = 0.65
      ctx.setLineDash([2 * ratio, 3 * ratio])
      ctx.beginPath()
      ctx.moveTo(x, bbox.top)
      ctx.lineTo(x, bbox.top + bbox.height)
      ctx.stroke()
      ctx.globalAlpha = 1
      ctx.fillText(top.glyph, x, bbox.top - (TOP / 2) * ratio)
    }
    ctx.restore()
  }
}
