// The editor of a query: CodeMirror with PromQL. A chunk of its own, for it is larger than all the rest.
//
// It lives in a shadow tree: there its styles are a sheet that a script makes, which the content security policy lets be; in
// the document they would be an inline style element, which it does not.
import { acceptCompletion, autocompletion, closeBrackets, closeBracketsKeymap, completionKeymap, completionStatus, type Completion, type CompletionContext, type CompletionResult } from '@codemirror/autocomplete'
import { defaultKeymap, history, historyKeymap } from '@codemirror/commands'
import { bracketMatching, HighlightStyle, syntaxHighlighting } from '@codemirror/language'
import { Compartment, EditorState, Prec, StateEffect, StateField, type Extension } from '@codemirror/state'
import { Decoration, drawSelection, EditorView, keymap, placeholder, type DecorationSet } from '@codemirror/view'
import { tags } from '@lezer/highlight'
import { newCompleteStrategy, PromQLExtension, type CompleteStrategy } from '@prometheus-io/codemirror-promql'
import type { Language } from '../i18n/language.svelte'
import { completionSource } from './completion'
import { FUNCTIONS } from './functions'
import type { Place } from './place'
import { metricSelector } from './series-name'

export interface EditorOptions {
  readonly text: string
  readonly label: string
  readonly hint: string
  readonly language: () => Language
  readonly changed: (text: string) => void
  readonly run: () => void
}

/** What the page does with an editor. */
export interface Editor {
  readonly text: () => string
  /** Another text from outside. */
  readonly set: (text: string) => void
  /** Puts a metric's name where the cursor is. */
  readonly insert: (name: string) => void
  readonly mark: (place: Place | undefined) => void
  readonly name: (label: string, hint: string) => void
  readonly focus: (at?: number) => void
  readonly close: () => void
}

/** So many are seen at once; the arrows bring the others. A list that scrolls could not be scrolled by keys. */
const OPTIONS_MAX = 12

/** Every colour is one of the page's, which passes both themes. */
const colours = HighlightStyle.define([
  { tag: [tags.name, tags.variableName], color: 'var(--text)' },
  { tag: tags.keyword, color: 'var(--notice)', fontWeight: '600' },
  { tag: [tags.function(tags.variableName), tags.modifier], color: 'var(--link)' },
  { tag: [tags.labelName, tags.number, tags.operator], color: 'var(--text)' },
  { tag: tags.string, color: 'var(--none)' },
  { tag: [tags.lineComment, tags.paren, tags.squareBracket, tags.brace], color: 'var(--dim)' },
])

const look = EditorView.theme({
  '&': { color: 'var(--text)', backgroundColor: 'transparent', fontSize: '0.93rem' },
  '&.cm-focused': { outline: 'none' },
  '.cm-content': { fontFamily: 'var(--mono)', caretColor: 'var(--text)', padding: '0.4rem 0' },
  '.cm-line': { padding: '0 0.5rem' },
  '.cm-scroller': { fontFamily: 'var(--mono)', lineHeight: '1.45', maxHeight: '14rem' },
  '.cm-cursor': { borderLeftColor: 'var(--text)' },
  '&.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground, .cm-selectionBackground': { background: 'color-mix(in srgb, var(--focus) 25%, transparent)' },
  '&.cm-focused .cm-matchingBracket': { backgroundColor: 'var(--none-soft)', outline: '1px solid var(--none)' },
  '&.cm-focused .cm-nonmatchingBracket': { backgroundColor: 'var(--alert-soft)' },
  '.cm-placeholder': { color: 'var(--dim)' },
  '.cm-wrong': { textDecoration: 'underline wavy var(--alert) 1.5px', textUnderlineOffset: '3px', backgroundColor: 'var(--alert-soft)' },
  '.cm-tooltip': { backgroundColor: 'var(--panel)', border: '1px solid var(--line-strong)', color: 'var(--text)', borderRadius: '6px', zIndex: '20' },
  '.cm-tooltip.cm-tooltip-autocomplete > ul': { fontFamily: 'var(--mono)', fontSize: '0.87rem', maxHeight: 'none', maxWidth: 'min(42rem, 92vw)' },
  '.cm-tooltip.cm-tooltip-autocomplete > ul > li': { padding: '0.15rem 0.5rem' },
  '.cm-tooltip-autocomplete ul li[aria-selected]': { background: 'var(--sunken)', color: 'var(--text)', outline: '1px solid var(--line-strong)' },
  '.cm-completionDetail': { color: 'var(--dim)', fontStyle: 'normal', marginLeft: '0.8em' },
  '.cm-completionMatchedText': { textDecoration: 'none', fontWeight: '700', color: 'var(--link)' },
  '.cm-completionIcon': { opacity: '1', color: 'var(--dim)' },
  '.cm-tooltip.cm-completionInfo': { fontFamily: 'var(--sans)', fontSize: '0.87rem', maxWidth: '26rem', padding: '0.4rem 0.6rem', whiteSpace: 'pre-wrap' },
})

const setMark = StateEffect.define<Place | undefined>()
const marked = StateField.define<DecorationSet>({
  create: () => Decoration.none,
  update(marks, change) {
    const effect = change.effects.find((one) => one.is(setMark))
    if (!effect) return marks.map(change.changes)
    const place = effect.value as Place | undefined
    const to = Math.min(place?.to ?? 0, change.newDoc.length)
    return place && place.from < to ? Decoration.set([Decoration.mark({ class: 'cm-wrong' }).range(place.from, to)]) : Decoration.none
  },
  provide: (field) => EditorView.decorations.from(field),
})

/** The package's completion, with functions described by what this server takes and in the reader's language. */
function described(inner: CompleteStrategy, language: () => Language): CompleteStrategy {
  const words = (option: Completion): Completion => {
    const known = option.type === 'function' || option.detail === 'aggregation' ? FUNCTIONS.get(option.label) : undefined
    return known ? { ...option, detail: known.signature, info: known[language()] } : option
  }
  const all = (result: CompletionResult | null): CompletionResult | null => result && { ...result, options: result.options.map(words) }
  return {
    promQL(context: CompletionContext) {
      const found = inner.promQL(context)
      return found instanceof Promise ? found.then(all) : all(found)
    },
    destroy: () => inner.destroy?.(),
  }
}

function promql(language: () => Language): PromQLExtension {
  const inner = newCompleteStrategy({ remote: completionSource, maxMetricsMetadata: 20_000 })
  return new PromQLExtension().activateLinter(false).setComplete({ completeStrategy: described(inner, language) })
}

/** Keys of the editor are not the page's; those that leave it are. */
function ownKeys(run: () => void): Extension {
  return Prec.highest(keymap.of([
    { key: 'Mod-Enter', run: () => (run(), true), preventDefault: true },
    { key: 'Ctrl-Enter', run: () => (run(), true), preventDefault: true },
    { key: 'Shift-Enter', run: () => (run(), true), preventDefault: true },
    { key: 'Tab', run: acceptCompletion },
  ]))
}

export function open(host: HTMLElement, options: EditorOptions): Editor {
  const root = host.shadowRoot ?? host.attachShadow({ mode: 'open' })
  const extension = promql(options.language)
  const names = new Compartment()
  const named = (label: string, hint: string): Extension => [EditorView.contentAttributes.of({ 'aria-label': label, spellcheck: 'false', autocorrect: 'off', autocapitalize: 'off' }), placeholder(hint)]
  const state = EditorState.create({
    doc: options.text,
    selection: { anchor: options.text.length },
    extensions: [
      ownKeys(options.run),
      history(), drawSelection(), bracketMatching(), closeBrackets(), EditorView.lineWrapping, marked,
      autocompletion({ icons: false, maxRenderedOptions: OPTIONS_MAX }),
      keymap.of([...closeBracketsKeymap, ...completionKeymap, ...historyKeymap, ...defaultKeymap]),
      extension.asExtension(), syntaxHighlighting(colours), look,
      names.of(named(options.label, options.hint)),
      EditorView.updateListener.of((update) => {
        if (update.docChanged) options.changed(update.state.doc.toString())
      }),
    ],
  })
  const view = new EditorView({ parent: root, root, state })
  const replace = (from: number, to: number, insert: string): void => view.dispatch({ changes: { from, to, insert }, selection: { anchor: from + insert.length } })
  const pressed = (event: KeyboardEvent): void => {
    const outside = (event.ctrlKey || event.metaKey) && event.key.toLowerCase() === 'k'
    if (event.key === 'Escape' && completionStatus(view.state) === null && !event.defaultPrevented) view.contentDOM.blur()
    if (!outside) event.stopPropagation()
  }
  host.addEventListener('keydown', pressed)
  return {
    text: () => view.state.doc.toString(),
    set: (text) => {
      if (text !== view.state.doc.toString()) replace(0, view.state.doc.length, text)
    },
    insert: (name) => {
      const { from, to } = view.state.selection.main
      replace(from, to, metricSelector(name))
      view.focus()
    },
    mark: (place) => view.dispatch({ effects: setMark.of(place) }),
    name: (label, hint) => view.dispatch({ effects: names.reconfigure(named(label, hint)) }),
    focus: (at) => {
      if (at !== undefined) view.dispatch({ selection: { anchor: Math.min(at, view.state.doc.length) } })
      view.focus()
    },
    close: () => {
      host.removeEventListener('keydown', pressed)
      extension.destroy()
      view.destroy()
    },
  }
}
