-- TPC-H's eight tables, filled small and synthetic.
CREATE TABLE region(r_regionkey int PRIMARY KEY, r_name char(25), r_comment varchar(152));
CREATE TABLE nation(n_nationkey int PRIMARY KEY, n_name char(25), n_regionkey int REFERENCES region, n_comment varchar(152));
CREATE TABLE supplier(s_suppkey int PRIMARY KEY, s_name char(25), s_address varchar(40), s_nationkey int, s_phone char(15), s_acctbal decimal(15,2), s_comment varchar(101));
CREATE TABLE customer(c_custkey int PRIMARY KEY, c_name varchar(25), c_address varchar(40), c_nationkey int, c_phone char(15), c_acctbal decimal(15,2), c_mktsegment char(10), c_comment varchar(117));
CREATE TABLE part(p_partkey int PRIMARY KEY, p_name varchar(55), p_mfgr char(25), p_brand char(10), p_type varchar(25), p_size int, p_container char(10), p_retailprice decimal(15,2), p_comment varchar(23));
CREATE TABLE partsupp(ps_partkey int, ps_suppkey int, ps_availqty int, ps_supplycost decimal(15,2), ps_comment varchar(199), PRIMARY KEY (ps_partkey, ps_suppkey));
CREATE TABLE orders(o_orderkey int PRIMARY KEY, o_custkey int, o_orderstatus char(1), o_totalprice decimal(15,2), o_orderdate date, o_orderpriority char(15), o_clerk char(15), o_shippriority int, o_comment varchar(79));
CREATE TABLE lineitem(l_orderkey int, l_partkey int, l_suppkey int, l_linenumber int, l_quantity decimal(15,2), l_extendedprice decimal(15,2), l_discount decimal(15,2), l_tax decimal(15,2),
    l_returnflag char(1), l_linestatus char(1), l_shipdate date, l_commitdate date, l_receiptdate date, l_shipinstruct char(25), l_shipmode char(10), l_comment varchar(44), PRIMARY KEY (l_orderkey, l_linenumber));
INSERT INTO region SELECT i, (ARRAY['AFRICA','AMERICA','ASIA','EUROPE','MIDDLE EAST'])[i + 1], 'r' FROM generate_series(0, 4) i;
INSERT INTO nation SELECT i, (ARRAY['ALGERIA','ARGENTINA','BRAZIL','CANADA','EGYPT','ETHIOPIA','FRANCE','GERMANY','INDIA','INDONESIA','IRAN','IRAQ','JAPAN','JORDAN','KENYA','MOROCCO','MOZAMBIQUE','PERU','CHINA','ROMANIA','SAUDI ARABIA','VIETNAM','RUSSIA','UNITED KINGDOM','UNITED STATES'])[i + 1],
    (ARRAY[0,1,1,1,4,0,3,3,2,2,4,4,2,4,0,0,0,1,2,3,4,2,3,3,1])[i + 1], 'n' FROM generate_series(0, 24) i;
INSERT INTO supplier SELECT i, 'Supplier#' || lpad(i::text, 9, '0'), 'street ' || i, i % 25, (10 + i % 25)::text || '-555-' || i, i * 37 % 9000 - 500, CASE WHEN i % 19 = 0 THEN 'Customer Complaints' ELSE 'fine' END FROM generate_series(1, 40) i;
INSERT INTO customer SELECT i, 'Customer#' || lpad(i::text, 9, '0'), 'lane ' || i, i % 25, (10 + i % 25)::text || '-555-' || i, i * 53 % 9000 - 900, (ARRAY['BUILDING','AUTOMOBILE','MACHINERY','HOUSEHOLD','FURNITURE'])[i % 5 + 1], 'c' FROM generate_series(1, 150) i;
INSERT INTO part SELECT i, (ARRAY['forest','green','almond','azure'])[i % 4 + 1] || ' part ' || i, 'Manufacturer#' || i % 5 + 1, 'Brand#' || i % 5 + 1 || i % 3 + 1, (ARRAY['PROMO BURNISHED COPPER','MEDIUM POLISHED BRASS','ECONOMY ANODIZED STEEL','LARGE BRUSHED BRASS'])[i % 4 + 1], i % 50 + 1,
    (ARRAY['MED BOX','SM CASE','LG PKG','JUMBO JAR'])[i % 4 + 1], 900 + i, 'p' FROM generate_series(1, 200) i;
INSERT INTO partsupp SELECT i % 200 + 1, (i % 200 + i / 200) % 40 + 1, i * 7 % 999, i % 100 + 1, 'ps' FROM generate_series(0, 799) i;
INSERT INTO orders SELECT i, i % 100 + 1, (ARRAY['O','F','P'])[i % 3 + 1], i * 91 % 40000, date '1992-01-01' + i * 7 % 2400, (ARRAY['1-URGENT','2-HIGH','3-MEDIUM','4-NOT SPECIFIED','5-LOW'])[i % 5 + 1], 'Clerk#' || i % 9, 0, CASE WHEN i % 11 = 0 THEN 'special packages requests' ELSE 'x' END FROM generate_series(1, 500) i;
INSERT INTO lineitem SELECT i % 500 + 1, i % 200 + 1, (i % 200) % 40 + 1, i / 500 + 1, i % 50 + 1, (i % 50 + 1) * 97, i % 11 / 100.0, i % 9 / 100.0, (ARRAY['R','A','N'])[i % 3 + 1], (ARRAY['O','F'])[i % 2 + 1], d + i % 120 + 1, d + i % 60 + 30, d + i % 120 + i % 30 + 2,
    (ARRAY['DELIVER IN PERSON','COLLECT COD','NONE','TAKE BACK RETURN'])[i % 4 + 1], (ARRAY['AIR','MAIL','SHIP','TRUCK','AIR REG'])[i % 5 + 1], 'l' FROM (SELECT i, date '1992-01-01' + (i % 500 + 1) * 7 % 2400 AS d FROM generate_series(0, 2499) i) t;
GRANT SELECT ON ALL TABLES IN SCHEMA public TO PUBLIC;
GRANT CREATE ON SCHEMA public TO PUBLIC;
ANALYZE;
