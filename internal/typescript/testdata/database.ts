// The types of the database, as fluxbase-cli types generate writes them.
// Do not change this file: change the database, and write it anew.

export type Json = string | number | boolean | null | { [key: string]: Json | undefined } | Json[]

export type Database = {
  public: {
    Tables: {
      empty: {
        Row: {
          [_ in never]: never
        }
        Insert: {
          [_ in never]: never
        }
        Update: {
          [_ in never]: never
        }
        Relationships: []
      }
      every_type: {
        Row: {
          a: number | null
          aa: string | null
          ab: string | null
          ac: string | null
          ad: number[] | null
          ae: Json[] | null
          af: Database["public"]["Enums"]["mood"] | null
          ag: Database["public"]["Enums"]["mood"][] | null
          ah: Database["public"]["Enums"]["mood"][] | null
          ai: "a" | "b" | null
          aj: ("a" | "b")[] | null
          ak: "a" | "b" | null
          al: Database["public"]["CompositeTypes"]["pair"] | null
          am: Database["public"]["CompositeTypes"]["pair"][] | null
          an: string | null
          ao: Database["shop"]["Enums"]["size"] | null
          ap: { mood: Database["public"]["Enums"]["mood"] | null; w: number | null } | null
          aq: Database["public"]["Tables"]["users"]["Row"] | null
          ar: Database["public"]["CompositeTypes"]["Wei\"rd"] | null
          b: number | null
          c: number | null
          class: number | null
          d: number | null
          e: number | null
          f: number | null
          g: boolean | null
          h: string | null
          i: string | null
          j: string | null
          k: string | null
          l: string | null
          m: string | null
          n: string | null
          o: string | null
          p: string | null
          q: string | null
          r: string | null
          s: Json | null
          t: Json | null
          u: string | null
          v: string | null
          w: string | null
          x: string | null
          y: string | null
          z: string | null
          "ünï": number | null
        }
        Insert: {
          a?: number | null
          aa?: string | null
          ab?: string | null
          ac?: string | null
          ad?: number[] | null
          ae?: Json[] | null
          af?: Database["public"]["Enums"]["mood"] | null
          ag?: Database["public"]["Enums"]["mood"][] | null
          ah?: Database["public"]["Enums"]["mood"][] | null
          ai?: "a" | "b" | null
          aj?: ("a" | "b")[] | null
          ak?: "a" | "b" | null
          al?: Database["public"]["CompositeTypes"]["pair"] | null
          am?: Database["public"]["CompositeTypes"]["pair"][] | null
          an?: string | null
          ao?: Database["shop"]["Enums"]["size"] | null
          ap?: { mood: Database["public"]["Enums"]["mood"] | null; w: number | null } | null
          aq?: Database["public"]["Tables"]["users"]["Row"] | null
          ar?: Database["public"]["CompositeTypes"]["Wei\"rd"] | null
          b?: number | null
          c?: number | null
          class?: number | null
          d?: number | null
          e?: number | null
          f?: number | null
          g?: boolean | null
          h?: string | null
          i?: string | null
          j?: string | null
          k?: string | null
          l?: string | null
          m?: string | null
          n?: string | null
          o?: string | null
          p?: string | null
          q?: string | null
          r?: string | null
          s?: Json | null
          t?: Json | null
          u?: string | null
          v?: string | null
          w?: string | null
          x?: string | null
          y?: string | null
          z?: string | null
          "ünï"?: number | null
        }
        Update: {
          a?: number | null
          aa?: string | null
          ab?: string | null
          ac?: string | null
          ad?: number[] | null
          ae?: Json[] | null
          af?: Database["public"]["Enums"]["mood"] | null
          ag?: Database["public"]["Enums"]["mood"][] | null
          ah?: Database["public"]["Enums"]["mood"][] | null
          ai?: "a" | "b" | null
          aj?: ("a" | "b")[] | null
          ak?: "a" | "b" | null
          al?: Database["public"]["CompositeTypes"]["pair"] | null
          am?: Database["public"]["CompositeTypes"]["pair"][] | null
          an?: string | null
          ao?: Database["shop"]["Enums"]["size"] | null
          ap?: { mood: Database["public"]["Enums"]["mood"] | null; w: number | null } | null
          aq?: Database["public"]["Tables"]["users"]["Row"] | null
          ar?: Database["public"]["CompositeTypes"]["Wei\"rd"] | null
          b?: number | null
          c?: number | null
          class?: number | null
          d?: number | null
          e?: number | null
          f?: number | null
          g?: boolean | null
          h?: string | null
          i?: string | null
          j?: string | null
          k?: string | null
          l?: string | null
          m?: string | null
          n?: string | null
          o?: string | null
          p?: string | null
          q?: string | null
          r?: string | null
          s?: Json | null
          t?: Json | null
          u?: string | null
          v?: string | null
          w?: string | null
          x?: string | null
          y?: string | null
          z?: string | null
          "ünï"?: number | null
        }
        Relationships: []
      }
      profiles: {
        Row: {
          name: string
          number: number
          times: number
          user_id: string
        }
        Insert: {
          name: string
          number?: number
          times?: number
          user_id: string
        }
        Update: {
          name?: string
          number?: number
          times?: number
          user_id?: string
        }
        Relationships: [
          {
            foreignKeyName: "profiles_user_id_fkey"
            columns: ["user_id"]
            isOneToOne: true
            referencedRelation: "handled"
            referencedColumns: ["id"]
          },
          {
            foreignKeyName: "profiles_user_id_fkey"
            columns: ["user_id"]
            isOneToOne: true
            referencedRelation: "kept"
            referencedColumns: ["id"]
          },
          {
            foreignKeyName: "profiles_user_id_fkey"
            columns: ["user_id"]
            isOneToOne: true
            referencedRelation: "users"
            referencedColumns: ["id"]
          },
        ]
      }
      todos: {
        Row: {
          done: boolean
          id: number
          parent: number | null
          priority: number | null
          shout: string | null
          tags: string[] | null
          title: string
          "user-id": string
        }
        Insert: {
          done?: boolean
          id?: never
          parent?: number | null
          priority?: number | null
          shout?: never
          tags?: string[] | null
          title: string
          "user-id": string
        }
        Update: {
          done?: boolean
          id?: never
          parent?: number | null
          priority?: number | null
          shout?: never
          tags?: string[] | null
          title?: string
          "user-id"?: string
        }
        Relationships: [
          {
            foreignKeyName: "todos_parent_fkey"
            columns: ["parent"]
            isOneToOne: false
            referencedRelation: "titles"
            referencedColumns: ["id"]
          },
          {
            foreignKeyName: "todos_parent_fkey"
            columns: ["parent"]
            isOneToOne: false
            referencedRelation: "todos"
            referencedColumns: ["id"]
          },
          {
            foreignKeyName: "todos_user-id_fkey"
            columns: ["user-id"]
            isOneToOne: false
            referencedRelation: "handled"
            referencedColumns: ["id"]
          },
          {
            foreignKeyName: "todos_user-id_fkey"
            columns: ["user-id"]
            isOneToOne: false
            referencedRelation: "kept"
            referencedColumns: ["id"]
          },
          {
            foreignKeyName: "todos_user-id_fkey"
            columns: ["user-id"]
            isOneToOne: false
            referencedRelation: "users"
            referencedColumns: ["id"]
          },
        ]
      }
      /** Who there is. *\/ alert(1) /* */
      users: {
        Row: {
          email: string
          id: string
          mood: Database["public"]["Enums"]["mood"]
          /**
           * What they chose:
           *   * a colour
           *   * a *\/ sign
           */
          settings: Json | null
          first_todo: {
            done: boolean
            id: number
            parent: number | null
            priority: number | null
            shout: string | null
            tags: string[] | null
            title: string
            "user-id": string
          } | null
          handle: string | null
        }
        Insert: {
          email: string
          id?: string
          mood?: Database["public"]["Enums"]["mood"]
          /**
           * What they chose:
           *   * a colour
           *   * a *\/ sign
           */
          settings?: Json | null
        }
        Update: {
          email?: string
          id?: string
          mood?: Database["public"]["Enums"]["mood"]
          /**
           * What they chose:
           *   * a colour
           *   * a *\/ sign
           */
          settings?: Json | null
        }
        Relationships: []
      }
    }
    Views: {
      counts: {
        Row: {
          mood: Database["public"]["Enums"]["mood"] | null
          n: number | null
        }
        Relationships: []
      }
      handled: {
        Row: {
          email: string | null
          extra: number | null
          id: string | null
        }
        Insert: {
          email?: string | null
          extra?: number | null
          id?: string | null
        }
        Update: {
          email?: string | null
          extra?: number | null
          id?: string | null
        }
        Relationships: []
      }
      kept: {
        Row: {
          email: string | null
          id: string | null
        }
        Relationships: []
      }
      titles: {
        Row: {
          id: number | null
          loud: string | null
          shout: string | null
          text: string | null
          "user-id": string | null
        }
        Insert: {
          id?: never
          loud?: never
          shout?: never
          text?: string | null
          "user-id"?: string | null
        }
        Update: {
          id?: never
          loud?: never
          shout?: never
          text?: string | null
          "user-id"?: string | null
        }
        Relationships: [
          {
            foreignKeyName: "todos_user-id_fkey"
            columns: ["user-id"]
            isOneToOne: false
            referencedRelation: "handled"
            referencedColumns: ["id"]
          },
          {
            foreignKeyName: "todos_user-id_fkey"
            columns: ["user-id"]
            isOneToOne: false
            referencedRelation: "kept"
            referencedColumns: ["id"]
          },
          {
            foreignKeyName: "todos_user-id_fkey"
            columns: ["user-id"]
            isOneToOne: false
            referencedRelation: "users"
            referencedColumns: ["id"]
          },
        ]
      }
    }
    Functions: {
      /** Adds. */
      add: {
        Args: {
          a: number
          b?: number
        }
        Returns: number
      }
      boxed: {
        Args: never
        Returns: { mood: Database["public"]["Enums"]["mood"] | null; w: number | null }
      }
      far: {
        Args: never
        Returns: { z: number | null }[]
      }
      first_todo: {
        Args: {
          u: Database["public"]["Tables"]["users"]["Row"]
        }
        Returns: {
          done: boolean
          id: number
          parent: number | null
          priority: number | null
          shout: string | null
          tags: string[] | null
          title: string
          "user-id": string
        }
        SetofOptions: {
          from: "*"
          to: "todos"
          isOneToOne: true
          isSetofReturn: false
        }
      }
      latest: {
        Args: {
          "": Database["public"]["Tables"]["users"]["Row"]
        }
        Returns: {
          done: boolean
          id: number
          parent: number | null
          priority: number | null
          shout: string | null
          tags: string[] | null
          title: string
          "user-id": string
        }[]
        SetofOptions: {
          from: "users"
          to: "todos"
          isOneToOne: true
          isSetofReturn: true
        }
      }
      nothing_at_all: {
        Args: never
        Returns: undefined
      }
      outs: {
        Args: {
          b: string
          n: number
        }
        Returns: {
          a: number
          b: string
        }
      }
      pairs: {
        Args: {
          p: Database["public"]["CompositeTypes"]["pair"]
        }
        Returns: Database["public"]["CompositeTypes"]["pair"][]
      }
      rec: {
        Args: never
        Returns: Record<string, unknown>[]
      }
      search:
        | {
            Args: never
            Returns: string[]
          }
        | {
            Args: {
              number: number
            }
            Returns: Database["public"]["Enums"]["mood"][]
          }
        /** Looks for words. */
        | {
            Args: {
              words: string
            }
            Returns: {
              done: boolean
              id: number
              parent: number | null
              priority: number | null
              shout: string | null
              tags: string[] | null
              title: string
              "user-id": string
            }[]
            SetofOptions: {
              from: "*"
              to: "todos"
              isOneToOne: false
              isSetofReturn: true
            }
          }
      secrets: {
        Args: never
        Returns: ("a" | "b")[]
      }
      sum_all: {
        Args: {
          numbers?: number[]
        }
        Returns: number
      }
      tab: {
        Args: never
        Returns: {
          "b;": string
          id: number
          mood: Database["public"]["Enums"]["mood"]
        }[]
      }
      todos_of: {
        Args: {
          u: Database["public"]["Tables"]["users"]["Row"]
        }
        Returns: {
          done: boolean
          id: number
          parent: number | null
          priority: number | null
          shout: string | null
          tags: string[] | null
          title: string
          "user-id": string
        }[]
        SetofOptions: {
          from: "users"
          to: "todos"
          isOneToOne: false
          isSetofReturn: true
        }
      }
      whole: {
        Args: {
          "": Json
        }
        Returns: Json
      }
    }
    Enums: {
      __proto__: "x"
      mood: "sad" | "so \"so\"" | "it's \\ fine" | "a | b */"
      nothing: never
    }
    CompositeTypes: {
      "Wei\"rd": {
        mood: Database["public"]["Enums"]["mood"] | null
        "not valid": Json | null
        pair: Database["public"]["CompositeTypes"]["pair"] | null
      }
      pair: {
        x: number | null
        y: string[] | null
      }
    }
  }
  shop: {
    Tables: {
      notes: {
        Row: {
          n: number | null
          order_id: number | null
          text: string
        }
        Insert: {
          n?: number | null
          order_id?: number | null
          text: string
        }
        Update: {
          n?: number | null
          order_id?: number | null
          text?: string
        }
        Relationships: [
          {
            foreignKeyName: "notes_order_id_n_fkey"
            columns: ["order_id", "n"]
            isOneToOne: false
            referencedRelation: "order items"
            referencedColumns: ["order_id", "n"]
          },
        ]
      }
      "order items": {
        Row: {
          "a\"b": number | null
          n: number
          order_id: number
        }
        Insert: {
          "a\"b"?: number | null
          n: number
          order_id: number
        }
        Update: {
          "a\"b"?: number | null
          n?: number
          order_id?: number
        }
        Relationships: [
          {
            foreignKeyName: "order items_order_id_fkey"
            columns: ["order_id"]
            isOneToOne: false
            referencedRelation: "orders"
            referencedColumns: ["id"]
          },
        ]
      }
      orders: {
        Row: {
          buyer: string | null
          id: number
          mood: Database["public"]["Enums"]["mood"] | null
          size: Database["shop"]["Enums"]["size"]
        }
        Insert: {
          buyer?: string | null
          id: number
          mood?: Database["public"]["Enums"]["mood"] | null
          size: Database["shop"]["Enums"]["size"]
        }
        Update: {
          buyer?: string | null
          id?: number
          mood?: Database["public"]["Enums"]["mood"] | null
          size?: Database["shop"]["Enums"]["size"]
        }
        Relationships: []
      }
    }
    Views: {
      [_ in never]: never
    }
    Functions: {
      total: {
        Args: {
          "order id": number
        }
        Returns: number
      }
    }
    Enums: {
      size: "s" | "m"
    }
    CompositeTypes: {
      [_ in never]: never
    }
  }
}

type DefaultSchema = Database["public"]
type InSchema = { schema: keyof Database }
type Kind = "Tables" | "Views" | "Enums" | "CompositeTypes"
type Members<Where, Of extends Kind> = Where extends InSchema ? Database[Where["schema"]][Of] : DefaultSchema[Of]
type Relations<Where> = Members<Where, "Tables"> & Members<Where, "Views">
type Member<Where, Name, All> = Where extends InSchema
  ? Name extends keyof All ? All[Name] : never
  : Where extends keyof All ? All[Where] : never

/** A row as it is read: Tables<"name"> or Tables<{ schema: "schema" }, "name">. */
export type Tables<
  Where extends keyof Relations<unknown> | InSchema,
  Name extends Where extends InSchema ? keyof Relations<Where> : never = never,
> = Member<Where, Name, Relations<Where>> extends { Row: infer Row } ? Row : never

/** A row to insert. */
export type TablesInsert<
  Where extends keyof Members<unknown, "Tables"> | InSchema,
  Name extends Where extends InSchema ? keyof Members<Where, "Tables"> : never = never,
> = Member<Where, Name, Members<Where, "Tables">> extends { Insert: infer Insert } ? Insert : never

/** What an update changes of a row. */
export type TablesUpdate<
  Where extends keyof Members<unknown, "Tables"> | InSchema,
  Name extends Where extends InSchema ? keyof Members<Where, "Tables"> : never = never,
> = Member<Where, Name, Members<Where, "Tables">> extends { Update: infer Update } ? Update : never

/** The labels of an enum. */
export type Enums<
  Where extends keyof Members<unknown, "Enums"> | InSchema,
  Name extends Where extends InSchema ? keyof Members<Where, "Enums"> : never = never,
> = Member<Where, Name, Members<Where, "Enums">>

/** The attributes of a composite type. */
export type CompositeTypes<
  Where extends keyof Members<unknown, "CompositeTypes"> | InSchema,
  Name extends Where extends InSchema ? keyof Members<Where, "CompositeTypes"> : never = never,
> = Member<Where, Name, Members<Where, "CompositeTypes">>

export const Constants = {
  public: {
    Enums: {
      ["__proto__"]: ["x"],
      mood: ["sad", "so \"so\"", "it's \\ fine", "a | b */"],
      nothing: [],
    },
  },
  shop: {
    Enums: {
      size: ["s", "m"],
    },
  },
} as const
