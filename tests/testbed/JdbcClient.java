// What jdbc.py runs: pgjdbc, unmodified. Settings as properties of the JVM; prints JSON, a line each.
//   rows: the statements of standard input, each as often as it takes for the driver to prepare it on
//         the server, every value read by all the getters that are for its type.
//   metadata: what java.sql.DatabaseMetaData tells of each address.

import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.lang.reflect.Method;
import java.sql.*;
import java.time.LocalDate;
import java.time.LocalDateTime;
import java.time.LocalTime;
import java.time.OffsetDateTime;
import java.time.OffsetTime;
import java.util.*;

public class JdbcClient {
    public static void main(String[] arguments) throws Exception {
        if (arguments[0].equals("rows")) rows();
        else
            for (String url : arguments[1].split(" ")) System.out.println(metadata(url));
    }

    static Connection connect(String url, Properties more) throws SQLException {
        Properties properties = new Properties(more);
        properties.setProperty("user", System.getenv("PGUSER"));
        properties.setProperty("password", System.getenv("PGPASSWORD"));
        return DriverManager.getConnection(url, properties);
    }

    // --- rows ------------------------------------------------------------------------------------

    static void rows() throws Exception {
        List<String> statements = new ArrayList<>();
        BufferedReader input = new BufferedReader(new InputStreamReader(System.in));
        for (String line; (line = input.readLine()) != null; ) statements.add(line);
        // binary from the first execution on; from the second, in parts; text, prepared and not
        for (String mode : new String[] {
                "prepareThreshold=-1", "prepareThreshold=1 fetch=1", "binaryTransfer=false", "preferQueryMode=simple"}) {
            Properties properties = new Properties();
            for (String one : mode.split(" ")) properties.setProperty(one.split("=")[0], one.split("=")[1]);
            int fetch = Integer.parseInt((String) Objects.requireNonNullElse(properties.remove("fetch"), "0"));
            try (Connection connection = connect(System.getenv("JDBC_URL"), properties)) {
                connection.setAutoCommit(fetch == 0);
                for (String text : statements)
                    try (PreparedStatement statement = connection.prepareStatement(text)) {
                        statement.setFetchSize(fetch);
                        String first = read(statement);
                        for (int again = 0; again < 2; again++) {
                            String next = read(statement);
                            if (again == 1 || fetch == 0) first = next;
                        }
                        System.out.println("[" + quoted(mode) + "," + quoted(text) + "," + first + "]");
                    }
            }
        }
    }

    static String read(PreparedStatement statement) throws Exception {
        StringJoiner names = new StringJoiner(",", "[", "]");
        StringJoiner rows = new StringJoiner(",", "[", "]");
        try (ResultSet result = statement.executeQuery()) {
            ResultSetMetaData columns = result.getMetaData();
            int count = columns.getColumnCount();
            for (int i = 1; i <= count; i++)
                names.add("[" + quoted(columns.getColumnName(i)) + "," + quoted(columns.getColumnTypeName(i)) + ","
                    + columns.getPrecision(i) + "]");
            while (result.next()) {
                StringJoiner row = new StringJoiner(",", "[", "]");
                for (int i = 1; i <= count; i++) row.add(quoted(value(result, i, columns)));
                rows.add(row.toString());
            }
        }
        return names + "," + rows;
    }

    static String value(ResultSet result, int i, ResultSetMetaData columns) throws Exception {
        Object object = result.getObject(i);
        String text = result.getString(i);
        if (object == null) {
            if (text != null) throw new SQLException("NULL and no NULL");
            return null;
        }
        switch (columns.getColumnType(i)) {
            case Types.DATE -> {
                result.getDate(i);
                return result.getObject(i, LocalDate.class).toString();
            }
            case Types.TIMESTAMP -> {
                result.getTimestamp(i);
                return columns.getColumnTypeName(i).equals("timestamptz")
                    ? result.getObject(i, OffsetDateTime.class).toInstant().toString()
                    : result.getObject(i, LocalDateTime.class).toString();
            }
            case Types.TIME -> {
                result.getTime(i);
                if (columns.getColumnTypeName(i).equals("timetz")) result.getObject(i, OffsetTime.class);
                else result.getObject(i, LocalTime.class);
            }
            case Types.SMALLINT, Types.INTEGER, Types.BIGINT -> {
                return Long.toString(result.getLong(i));
            }
            case Types.NUMERIC, Types.REAL, Types.DOUBLE -> {
                return result.getBigDecimal(i).stripTrailingZeros().toPlainString();
            }
            case Types.BIT -> result.getBoolean(i);
            case Types.BINARY -> {
                return new String(result.getBytes(i), "UTF-8");
            }
            case Types.SQLXML -> {
                return result.getSQLXML(i).getString();
            }
            case Types.ARRAY -> {
                Object array = result.getArray(i).getArray();
                if (java.lang.reflect.Array.getLength(array) != 0) return "elements: " + text;
                try (ResultSet elements = result.getArray(i).getResultSet()) {
                    if (elements.next()) return "elements: " + text;
                }
                return "{}";
            }
            default -> {
                if (object instanceof org.postgresql.geometric.PGpoint point) return point.x + " " + point.y;
                if (object instanceof org.postgresql.util.PGInterval one) return "" + one.getSeconds() + one.getDays();
            }
        }
        return text;
    }

    // --- metadata --------------------------------------------------------------------------------

    static String metadata(String url) throws Exception {
        StringJoiner found = new StringJoiner(",", "{", "}");
        try (Connection connection = connect(url, new Properties())) {
            DatabaseMetaData data = connection.getMetaData();
            ask(found, "schemas", data.getSchemas());
            ask(found, "schemas by pattern", data.getSchemas(null, "p%"));
            ask(found, "catalogs", data.getCatalogs());
            ask(found, "table types", data.getTableTypes());
            ask(found, "types", data.getTypeInfo());
            ask(found, "tables", data.getTables(null, null, "%", null));
            ask(found, "views", data.getTables(null, "public", "%", new String[] {"VIEW", "MATERIALIZED VIEW"}));
            ask(found, "columns", data.getColumns(null, "public", "%", "%"));
            ask(found, "odd columns", data.getColumns(null, "We.ird", null, null));
            ask(found, "functions", data.getFunctions(null, "public", "%"));
            ask(found, "function columns", data.getFunctionColumns(null, "public", "%", "%"));
            ask(found, "procedures", data.getProcedures(null, null, "%"));
            ask(found, "procedure columns", data.getProcedureColumns(null, "public", "%", "%"));
            ask(found, "user-defined types", data.getUDTs(null, null, "%", null));
            ask(found, "client info", data.getClientInfoProperties());
            for (String table : new String[] {"patients", "encounters", "codes", "kinds", "events", "v_pat", "owned"}) {
                ask(found, table + " key", data.getPrimaryKeys(null, "public", table));
                ask(found, table + " imported", data.getImportedKeys(null, "public", table));
                ask(found, table + " exported", data.getExportedKeys(null, "public", table));
                ask(found, table + " indexes", data.getIndexInfo(null, "public", table, false, true), "CARDINALITY", "PAGES");
                ask(found, table + " privileges", data.getTablePrivileges(null, "public", table));
                ask(found, table + " column privileges", data.getColumnPrivileges(null, "public", table, "%"));
                ask(found, table + " best row", data.getBestRowIdentifier(null, "public", table, 2, true));
                ask(found, table + " versions", data.getVersionColumns(null, "public", table));
            }
            ask(found, "cross", data.getCrossReference(null, "public", "patients", null, "public", "encounters"));
            for (String name : new String[] {
                    "getMaxColumnNameLength", "getSQLKeywords", "getNumericFunctions", "getStringFunctions",
                    "getSystemFunctions", "getTimeDateFunctions", "getDatabaseProductVersion", "getMaxConnections",
                    "getDefaultTransactionIsolation", "isReadOnly"}) {
                Method method = DatabaseMetaData.class.getMethod(name);
                found.add(quoted(name) + ":" + quoted(String.valueOf(method.invoke(data))));
            }
            try (Statement statement = connection.createStatement(
                        ResultSet.TYPE_SCROLL_INSENSITIVE, ResultSet.CONCUR_UPDATABLE);
                    ResultSet result = statement.executeQuery("SELECT id, name, weight FROM patients WHERE id = 1")) {
                ResultSetMetaData columns = result.getMetaData();
                StringJoiner told = new StringJoiner(" ");
                for (int i = 1; i <= 3; i++)
                    told.add(columns.getColumnTypeName(i) + columns.isAutoIncrement(i) + columns.isNullable(i)
                        + columns.getTableName(i) + columns.getColumnClassName(i));
                result.next();
                result.updateDouble("weight", result.getDouble("weight"));  // asks for the primary key
                result.updateRow();
                found.add("\"updatable\":" + quoted(told.toString()));
            }
        }
        return found.toString();
    }

    static void ask(StringJoiner found, String what, ResultSet result, String... sizes) throws Exception {
        Set<String> unlike = Set.of(sizes);
        StringJoiner rows = new StringJoiner(",", "[", "]");
        ResultSetMetaData columns = result.getMetaData();
        while (result.next()) {
            StringJoiner row = new StringJoiner(",", "[", "]");
            for (int i = 1; i <= columns.getColumnCount(); i++)
                if (!unlike.contains(columns.getColumnLabel(i))) row.add(quoted(result.getString(i)));
            rows.add(row.toString());
        }
        result.close();
        found.add(quoted(what) + ":" + rows);
    }

    static String quoted(String text) {
        if (text == null) return "null";
        StringBuilder out = new StringBuilder("\"");
        for (char c : text.toCharArray())
            if (c == '"' || c == '\\' || c < ' ' || c > '~') out.append(String.format("\\u%04x", (int) c));
            else out.append(c);
        return out.append('"').toString();
    }
}
